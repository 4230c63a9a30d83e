//! The header's own code, in a program in C that looks at what it does.

use std::path::Path;

use crate::compiler::{compile, folder, run};

#[test]
fn code_of_the_header_does_what_it_says() {
    let source = folder("code_of_the_header_does_what_it_says").join("optional.c");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/optional.c");
    std::fs::copy(program, &source).expect("a source");
    let flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-g", "-pthread", "-fsanitize=address,undefined"];
    assert_eq!(run(&compile("cc", &flags, &source)), "all well\n");
}
