//! An emulated reader.
