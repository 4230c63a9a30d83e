//! Starting points for plugins: the examples of this project, under another name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Language;

/// A file of a starting point: where it goes and what is in it.
type Piece = (&'static str, &'static str);

/// `examples/driver-c` with the header it needs.
const C: [Piece; 5] = [
    ("acme.c", include_str!("../../../../examples/driver-c/acme.c")),
    ("emulator.c", include_str!("../../../../examples/driver-c/emulator.c")),
    ("Makefile", include_str!("../../../../examples/driver-c/Makefile")),
    ("README.md", include_str!("../../../../examples/driver-c/README.md")),
    ("rfid_plugin.h", include_str!("../../../../rfid-core/abi/include/rfid_plugin.h")),
];

