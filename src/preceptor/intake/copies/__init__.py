"""One picture twice, among few images and among very many."""
