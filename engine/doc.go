// Package engine turns requests into tokens: continuous batching over a paged
// KV cache. One goroutine owns the device and the policy; Submit is the only
// door.
//
//	goroutine of the request          goroutine of the engine
//	------------------------          -----------------------
//	Submit ---------- inbox --------> admit, drop cancelled
//	                                  Scheduler.Next: who runs, how many tokens
//	                                  runner: Plan -> model.Batch -> Forward -> Sample
//	Stream.Next <---- events -------- Scheduler.Commit: append, finish, free, emit
package engine
