"""The helper package of the book: pure functions, one module per job (see CONTRIBUTING.md)."""
