"""Tests; a package so that ``python -m tests.parity`` finds this directory and no installed one."""
