// Package resource has the sets of resources that Flux gives to jobs and instances, in the form R of RFC 20.
//
// # Operations on two sets
//
// Nodes are the same if their ranks are the same. Intersect and Append also compare host names if both sets have them,
// as Flux does; so the resources of a scheduler, which have no host names, match those of the instance. A node that
// loses its last resource is not in the result. Times, data of the scheduler and other members are those of the set
// that the method is called on. The member nslots, which counts the slots of a job, is dropped unless the nodes stay
// the same.
//
// # Differences from Flux
//
// Operations do what the flux R command of flux-core 0.88 does, except for these:
//
//	                                        flux R                              this package
//	intersect                               drops the properties                keeps those of the first set, as the
//	                                                                            Python class does
//	union, a node that is in both           drops its properties in the first   keeps those of both, as the Python
//	                                        set if the second has all of it     class does
//	any operation on several sets           drops times                         keeps those of the first set
//	append, one rank with two hosts         keeps the first host                error, flux.EINVAL
//	append, only one set has hosts          drops the hosts                     error, flux.EINVAL, unless the
//	                                                                            other set names all nodes
//	a node without resources                drops the node, keeps its host      keeps the node until an operation
//	                                                                            takes its last resource
//	members that the command does not know  drops them                          keeps those of the first set
//	time before 1970                        none                                keeps it
//	Select, hosts of an R_lite that is out  takes them in order of R_lite       in order of rank, as flux R does
//	  of order (the Python class)
//	Select, several idsets in ranks         joined to one text, so that ids     their union
//	                                        out of order are an error
//	Select, "or" of no constraint           true for the C library, false for   error, flux.EINVAL
//	                                        the Python class
//	more than 1,048,576 nodes               takes them                          error, flux.ERANGE
package resource
