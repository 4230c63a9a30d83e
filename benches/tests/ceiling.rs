//! The ceiling program does the whole job: what it registers is what was sent.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use rfid_load::opening::Statement;
use rfid_load::rows::{reply, row};

/// Reads the client's statements and answers them, until it wants rows.
fn answer_until_it_reads(stream: &mut (impl Read + Write)) {
    let mut statement = String::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        statement.push(char::from(byte[0]));
        if byte == *b";" {
            let meaning = Statement::of(&statement);
            stream.write_all(meaning.answer().as_bytes()).unwrap();
            if meaning == Statement::Begins {
                return;
            }
            statement.clear();
        }
    }
}

#[test]
fn a_line_for_each_tag_that_was_heard_often_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (customers, log) = (folder.path().join("customers.csv"), folder.path().join("visits.log"));
    let known = "2D0000000000000000000002,Customer 2,gold\n";
    std::fs::write(&customers, format!("tag,name,class\n{known}")).unwrap();
    let reader = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_ceiling"))
        .arg("--customers")
        .arg(&customers)
        .arg("--log")
        .arg(&log)
        .arg("--sync")
        .arg(reader.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stream, _) = reader.accept().unwrap();
    answer_until_it_reads(&mut stream);

    // Five tags over and over, one that is heard twice, and packets that end anywhere.
    let mut text: String = (0..40).map(|_| reply(0..5)).collect();
    row(5, &mut text);
    row(5, &mut text);
    for part in text.as_bytes().chunks(1_000) {
        stream.write_all(part).unwrap();
        stream.flush().unwrap();
    }

    let mut asks = program.stdin.take().unwrap();
    let mut says = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = Vec::new();
    // It may be asked before it has everything.
    asks.write_all(b"\n").unwrap();
    loop {
        match says.next().unwrap() {
            line if line == "counts 202 5" => break,
            line if line.starts_with("counts ") => asks.write_all(b"\n").unwrap(),
            line => told.push(line),
        }
    }
    let logged = std::fs::read_to_string(&log).unwrap();
    assert_eq!(logged.lines().collect::<Vec<_>>(), told);
    let tags: Vec<&str> = told.iter().map(|line| &line[..24]).collect();
    let expected: Vec<String> = (0..5).map(|number| format!("2D000000000000000000000{number}")).collect();
    assert_eq!(tags, expected);
    let named: Vec<&String> = told.iter().filter(|line| line.ends_with(",Customer 2,gold")).collect();
    assert_eq!(named, [&told[2]]);
    // It ends when nobody can ask any more.
    drop(asks);
    assert!(program.wait().unwrap().success());
}
