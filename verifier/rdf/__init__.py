"""What a document says, as a graph: strict expansion, canonical N-Quads, in this process or in a worker."""
