// What a chunk that waits for its reader costs beside its bytes. Counted by their bytes alone, chunks of one
// byte would take a hundred times what their bound says.

/** A Buffer object, its place in a queue and its share of a pool; measured, rounded up. */
export const CHUNK_OVERHEAD_BYTES = 128;
