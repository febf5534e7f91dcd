package kvs

// Errno values of the wire.
const (
	ePERM           = 1
	eNOENT          = 2
	eEXIST          = 17
	eNOTDIR         = 20
	eISDIR          = 21
	eINVAL          = 22
	eLOOP           = 40
	eNODATA         = 61
	ePROTO          = 71
	eOPNOTSUPP      = 95
	eNOTRECOVERABLE = 131
)
