// Package resource has the sets of resources that Flux gives to jobs and instances, in the form R of RFC 20.
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
//	more than 1,048,576 nodes               takes them                          error, flux.ERANGE
package resource
