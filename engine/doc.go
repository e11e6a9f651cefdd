// Package engine turns requests into tokens: continuous batching over a paged
// KV cache. One goroutine owns the device and the policy; Submit is the only
// door.
//
//	goroutine of the request          goroutine of the engine
//	------------------------          -----------------------
//	Submit ---------- inbox --------> admit, drop cancelled
//	                                  guess what comes next, if asked for
//	                                  Scheduler.Next: who runs, how many tokens
//	                                  runner: Plan -> model.Batch -> Forward -> Sample
//	                                                  masks of constraints meanwhile
//	Stream.Next <---- events -------- Scheduler.Commit: append, finish, free, emit
//
// # How far ahead of the device is the host?
//
// One step, where the device can be late (kernels.Pipeliner). While it computes
// step n the host plans step n+1 and queues its forward pass, in which rows stand
// for tokens that step n will draw: the device passes them on itself. Then the
// tokens of n come, and with them penalties, masks and all else that says how n+1
// draws; they are there long before the pass has ended. So the device always has
// work, every request may have such wishes, and streams get the tokens of n while
// n+1 runs.
//
// A sequence that ends with step n by a token that nobody could foresee has a row
// too many in n+1. What it draws is thrown away. Its blocks are free at once: what
// is written to them next is queued behind that row, and devices keep the order.
// Blocks get keys only as far as tokens are known, and never with the last one.
//
// Guesses must follow the last token, so an engine that guesses is not ahead.
//
// # Why are the tokens always the same?
//
// The device gives a row the same bits whatever else is in its batch, and
// sampling is a function of logits, seed and position. What is left to the
// engine is that each position keeps its arithmetic: that of prefill in the
// prompt, that of decoding behind it. So a preempted sequence reads its prompt
// again as a prompt and its answer as rows to decode, and the key of a cached
// block says how many of its positions are of which kind. Where a device says
// that both give the same bits (kernels.Info.Uniform) the key does not: then
// the next turn of a chat finds what decoding the answer has filled.
//
// # Why is a block shared before it is computed?
//
// Blocks get their keys when a step is planned. Within a step every layer
// stores all keys and values before it reads any, so a request may share what
// another computes in the same step: several answers to one prompt read it
// once. If the step fails, so do all that it held.
//
// # Why does guessing ahead change nothing?
//
// A sequence may compute tokens that it has not drawn, behind its last: what followed earlier
// where the text was as it is now, or what a draft model draws. Each is computed with the
// arithmetic, noise, penalties and mask that it will have if the guesses before it are right.
// Each row draws; as long as a row draws what was guessed, the next row's token is the one
// that a step of its own would have drawn. Behind the first wrong guess nothing counts: no
// block that it reached is sealed, and the next step writes over it. Guesses take rows and
// blocks that are left when all others have theirs, so they hold up nobody.
//
// # Where do constraints run?
//
// Beside the forward pass, on goroutines that end with it. A constraint follows
// the tokens that were drawn and nothing else; for guesses it goes ahead and
// comes back.
//
// # What does a slow client cost?
//
// Four bytes for each token it has not read. Streams have no back pressure;
// MaxTokens bounds them.
//
// # What happens to a request that does not fit?
//
// Submit refuses what could never run. What could, waits: nothing is let in
// that does not fit beside those in work, and whoever is at the head of the
// queue is passed by nobody, so that large requests get their turn too. Where
// answers grow until the cache is full, the last by rank gives up its blocks
// and is computed again later (see Scheduler).
//
// # Is Healthy to be believed?
//
// It fails once the device has failed, and while requests are open and no step
// ends for longer than steps of that size are known to take.
package engine
