"""Parity: our code against numbers made with the original implementations."""
