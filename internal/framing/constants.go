package framing

import (
	"time"
)

// Reading.
const (
	// firstBuffer is the buffer, in bytes, that a connection begins with, because
	// many live for a call or two. It must hold a prefix.
	firstBuffer = 8 << 10
	// readBuffer is what it grows to once it was full, in bytes. Larger reads cost
	// fewer system calls; a socket holds about three times as much.
	readBuffer = 64 << 10
	// shortRead is the room, in bytes, below which what is left of the buffer is
	// moved to its front before reading. With 0 it is moved only when it must be,
	// and reads get short.
	shortRead = 4 << 10
	// bigFrame is the size, in bytes, from which the rest of a body is read into
	// its own memory instead of through the buffer. With 0 each body is, in a
	// system call of its own.
	bigFrame = 16 << 10
	// largeFrame is the size of a body, in bytes, after which another is expected,
	// so that little of it is read into the buffer to be copied out again. With 0
	// no read is larger than shortRead.
	largeFrame = 32 << 10
	// claimStep is how much, in bytes, is allocated on the word of a length field
	// alone; beyond it memory grows with the bytes that really arrive. A payload
	// of 1 MiB fits with its header. It must be more than bigFrame.
	claimStep = 1<<20 + 64<<10
	// flushEvery is how many messages are taken out of the buffer before what they
	// have brought about is written: the peer is at work on it while the rest is
	// dealt with. It must be at least 1, which writes after each.
	flushEvery = 64
)

// The memory of messages.
const (
	// blockSize is the most, in bytes, that small bodies which arrive together share
	// one allocation of. A body that is kept keeps its block. With 0 each has its
	// own.
	blockSize = 4 << 10
	// recycleMin is the size, in bytes, of the smallest body whose memory can be
	// used again: below, the garbage collector is as cheap. With 0 each small
	// body pays for a pool.
	recycleMin = 16 << 10
	// recycleMax is the size of the largest: it is read in one piece.
	recycleMax = claimStep
	// Memory beyond largeObject bytes is allocated in whole pages, so that a
	// little more costs nothing and makes it fit for more.
	largeObject = 32 << 10
	pageSize    = 8 << 10
)

// Writing.
const (
	// sendLimit is how many bytes may be accepted and not written before Send
	// waits. With 0 each Send waits for the one before to be written.
	sendLimit = 4 << 20
	// flowLimit is the same for one who sends many messages: as much is kept of
	// the buffers, so a flow allocates none.
	flowLimit = 1 << 20
	// writeTurn is how many bytes a sender writes for others before it hands the
	// rest to a goroutine. With 0 it does after its first write.
	writeTurn = 256 << 10
	// chunkSize is the size, in bytes, of the buffers of a long queue, so that it
	// grows without copying. It must hold a small frame.
	chunkSize = 256 << 10
	// keepBytes is how much buffer is kept for reuse, in bytes. A payload of 1 MiB
	// fits with its header. With 0 each write allocates.
	keepBytes = 1<<20 + 64<<10
	// closeWait is how long Close waits for what was accepted to be written.
	closeWait = time.Second
)

// Holding back the items of a fast stream: a write costs ten times what encoding
// a small frame does, and each wakes the peer.
const (
	// corkBytes is how much is held back at most, in bytes. With 0 nothing is.
	corkBytes = 64 << 10
	// corkAfter is how many flushes must have followed each other within corkGap
	// for the next to be held back. With 0 the first is.
	corkAfter = 16
	corkGap   = 200 * time.Microsecond
	// corkPause is how long a frame is held back. With 0 a goroutine writes each.
	corkPause = 100 * time.Microsecond
)

// Pausing between the reads of a busy one-way flow.
const (
	// throttleAfter is how many messages that nobody waits for must have come in a
	// row, at throttleGap or less on average, before the reader pauses between
	// reads. With 0 it pauses before the first read.
	throttleAfter = 256
	throttleGap   = 100 * time.Microsecond
	// throttlePause is how long it pauses. With 0 each message is a wake-up.
	throttlePause = 200 * time.Microsecond
	// throttleYield is how many messages a pause is to bring, and throttleTries
	// how many in a row may bring less before there are no more. With 0 they go on
	// in a slow flow.
	throttleYield = 2
	throttleTries = 6
)
