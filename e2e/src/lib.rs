//! Tests of the whole in a real cluster; they lie in `tests/`.
