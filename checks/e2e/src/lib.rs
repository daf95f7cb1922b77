//! End-to-end checks of the whole program; everything is in `tests/it`, one binary, because linking the program is what takes time.
