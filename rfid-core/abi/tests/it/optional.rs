//! The headers' own code, in programs that look at what it does.

use std::path::Path;

use crate::compiler::{compile, folder, run};

/// Compiles a program of this folder and runs it, both with the sanitizers.
fn all_well(name: &str, compiler: &str, flags: &[&str]) {
    let source = folder(name).join(name);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name), &source)
        .expect("a source");
    let flags = [&["-g", "-pthread", "-fsanitize=address,undefined"], flags].concat();
    assert_eq!(run(&compile(compiler, &flags, &source)), "all well\n");
}

#[test]
fn code_of_the_header_does_what_it_says() {
    all_well("optional.c", "cc", &["-std=c11", "-D_POSIX_C_SOURCE=200809L"]);
}

#[test]
fn classes_keep_exceptions_in_and_calls_in_order() {
    all_well("classes.cpp", "c++", &["-std=c++17"]);
}
