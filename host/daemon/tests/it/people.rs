//! Accounts, the audit trail and the master secret on the built binary.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::daemon::{Daemon, rfid_host};
use crate::service::{Bank, TOKEN, ask};

fn customer(number: &str) -> Value {
    json!({ "customer_number": number, "name": "张小明", "vip_class": "gold", "branch": "hubin", "consent": "given" })
}

#[test]
fn the_master_secret_changes_while_the_host_runs() {
    secret_changes_at(&Bank::new());
}

#[test]
fn the_master_secret_changes_while_the_host_runs_on_a_database() {
    secret_changes_at(&Bank::central());
}

fn secret_changes_at(bank: &Bank) {
    let before = std::fs::read_to_string(bank.config()).unwrap();
    let store = |keys: &str| match before.contains("[store]") {
        true => before.replacen("kind = \"postgres\"", &format!("kind = \"postgres\"\n{keys}"), 1),
        false => before.replacen("[branches.hubin]", &format!("[store]\n{keys}\n[branches.hubin]"), 1),
    };
    let daemon = Daemon::run(&bank.config());
    assert_eq!(ask(&daemon, "POST", "/api/v1/customers", Some(&customer("6001"))).0, 201);
    bank.secret("new-key", &"1e".repeat(32));
    let new = format!("key = \"file:{}\"", bank.path("new-key").display());
    // Without the one before nobody would read what is there.
    std::fs::write(bank.config(), store(&new)).unwrap();
    let (status, said) = daemon.reload();
    assert!(status == 422 && said.to_string().contains("older_keys"), "{status} {said}");
    let old = bank.path("data").join("service.key");
    let keys = format!("{new}\nolder_keys = [\"file:{}\"]", old.display());
    std::fs::write(bank.config(), store(&keys)).unwrap();
    let (status, said) = daemon.reload();
    assert_eq!((status, &said["changes"]["secrets"]), (200, &json!(true)), "{said}");
    assert_eq!(ask(&daemon, "POST", "/api/v1/customers", Some(&customer("6002"))).0, 201);
    // A number that is taken is taken under whichever secret it was written.
    assert_eq!(ask(&daemon, "POST", "/api/v1/customers", Some(&customer("6001"))).0, 409);
    let all_there = |daemon: &Daemon| {
        for number in ["6001", "6002"] {
            let (status, said) = ask(daemon, "GET", &format!("/api/v1/customers/{number}"), None);
            assert_eq!((status, &said["name"]), (200, &json!("张小明")), "{number}: {said}");
        }
    };
    all_there(&daemon);
    assert!(daemon.terminate().success());
    let daemon = Daemon::run(&bank.config());
    all_there(&daemon);
    assert!(daemon.terminate().success());
    let said = bank.well(&["audit", "show"], None);
    assert!(said.contains("keys.change") && !said.contains("张"), "{said}");
}

#[test]
fn a_host_without_administrators_keeps_its_setup_code_for_its_own_user() {
    let bank = Bank::new();
    let daemon = Daemon::run(&bank.config());
    let file = bank.path("data").join("setup-code");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let code = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let mut body = json!({
        "code": code, "staff_number": "SA1", "name": "王芳", "branch": "hubin", "role": "system_administrator",
    });
    let (status, said) = ask(&daemon, "POST", "/api/v1/setup", Some(&body));
    assert_eq!(status, 201, "{said}");
    body["staff_number"] = json!("SE1");
    body["role"] = json!("security_administrator");
    assert_eq!(ask(&daemon, "POST", "/api/v1/setup", Some(&body)).0, 201);
    body["staff_number"] = json!("SE2");
    assert_eq!(ask(&daemon, "POST", "/api/v1/setup", Some(&body)).0, 401);
    assert!(daemon.terminate().success());
    assert!(!file.exists());
    let users = bank.well(&["user", "list"], None);
    assert!(
        users.contains("SA1") && users.contains("invited") && users.contains("security_administrator"),
        "{users}"
    );
}

#[test]
fn the_first_accounts_are_made_at_the_console_and_no_third_one() {
    let bank = Bank::new();
    let add = |number: &str, role: &str| {
        let words = ["user", "add", number, "--name", "王芳", "--role", role, "--branch", "hubin"];
        bank.command(&words, None)
    };
    let made = add("SE1", "security-administrator");
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8(made.stdout).unwrap().contains("sets a password with this code: "));
    let again = add("SE2", "security-administrator");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && said.contains("somebody else approves"), "{said}");
    let shown = bank.well(&["audit", "show", "--console"], None);
    assert!(shown.contains("account.set_up") && !shown.contains("王芳"), "{shown}");
    let verified = bank.well(&["audit", "verify", "--console", "--json"], None);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["first_bad"], Value::Null);
}

#[test]
fn reports_are_made_by_a_command_as_they_are_over_http() {
    let bank = Bank::new();
    bank.open_customers(1);
    let report = |format: &str| {
        let days = ["--from", "2026-11-01", "--to", "2026-11-30", "--format", format];
        bank.well(&[["report", "absent"].as_slice(), &days].concat(), None)
    };
    assert!(report("csv").starts_with("\u{feff}customer_number,branch,"));
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(json["report"], "absent");
    assert_eq!(json["rows"].as_array().unwrap().len(), 1);
    let help = rfid_host().args(["report", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--by branch,day"));
}

#[test]
fn what_was_under_way_at_a_kill_happened_or_not_as_the_trail_says() {
    kills_at(&Bank::new());
}

#[test]
fn what_was_under_way_at_a_kill_happened_or_not_as_the_trail_of_a_database_says() {
    kills_at(&Bank::central());
}

/// Opens customers from four sides until the daemon is killed, again and again, and then compares what is
/// there with what the trail says was done.
fn kills_at(bank: &Bank) {
    let often = "requests_per_minute = 1000000\nscopes = [";
    let text = std::fs::read_to_string(bank.config()).unwrap().replacen("scopes = [", often, 1);
    std::fs::write(bank.config(), text).unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut asked = 0;
    for round in 0..5 {
        let daemon = Daemon::run(&bank.config());
        let numbers: Vec<Vec<String>> = (0..4)
            .map(|side| (0..200).map(|at| format!("{}", 100_000 + round * 1_000 + side * 200 + at)).collect())
            .collect();
        asked += 800;
        std::thread::scope(|scope| {
            let posts: Vec<_> = numbers
                .iter()
                .map(|numbers| {
                    let daemon = &daemon;
                    scope.spawn(move || {
                        let open = |number: &&String| try_to_open(daemon, number);
                        numbers.iter().take_while(open).cloned().collect::<Vec<String>>()
                    })
                })
                .collect();
            // Each time a little later: at the start of a commit, in the middle, at its end.
            std::thread::sleep(std::time::Duration::from_millis(37 * (round + 1)));
            daemon.signal("KILL");
            for post in posts {
                acknowledged.extend(post.join().unwrap());
            }
        });
        daemon.kill();
    }
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    let mut there = std::collections::BTreeMap::new();
    for round in 0..5 {
        for at in 0..800 {
            let number = (100_000 + round * 1_000 + at).to_string();
            let (status, said) = ask(&daemon, "GET", &format!("/api/v1/customers/{number}"), None);
            if status == 200 {
                there.insert(format!("customer {}", said["id"].as_str().unwrap()), number);
            }
        }
    }
    assert!(daemon.terminate().success());
    let lost: Vec<&String> =
        acknowledged.iter().filter(|number| !there.values().any(|other| other == *number)).collect();
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    assert!(!acknowledged.is_empty() && there.len() < asked, "{} of {asked}", there.len());
    let trail = bank.well(&["audit", "show", "--last", "1000000"], None);
    let trail: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let undone: Vec<u64> = trail.iter().filter_map(|entry| entry["follows"].as_u64()).collect();
    let done: std::collections::BTreeSet<String> = trail
        .iter()
        .filter(|entry| entry["action"] == "customer.open" && entry["outcome"] == "done")
        .filter(|entry| !undone.contains(&entry["number"].as_u64().unwrap()))
        .map(|entry| entry["object"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(done, there.keys().cloned().collect(), "what the trail says, and what is there");
    bank.well(&["audit", "verify"], None);
}

/// Whether a customer was opened, as far as the daemon lived to say so.
fn try_to_open(daemon: &Daemon, number: &str) -> bool {
    let asked = || -> std::io::Result<String> {
        let body = customer(number).to_string();
        let mut stream = TcpStream::connect(daemon.http)?;
        write!(
            stream,
            "POST /api/v1/customers HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer \
             {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 201"))
}

/// A key that the operator has, and a program that signs with it.
fn signer(bank: &Bank) -> String {
    let made = std::process::Command::new("sh")
        .args([
            "-c",
            "openssl genpkey -algorithm ed25519 -out key && openssl pkey -in key -pubout -out key.pub",
        ])
        .current_dir(bank.path("."))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let program = bank.path("sign");
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" && cat > line && exec openssl pkeyutl -sign -rawin -inkey key -in line\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    format!(
        "\n[audit]\nanchors = ['{}']\nevery = \"1s\"\nsign_with = ['{}']\npublic_key = '{}'\n",
        bank.path("anchors.jsonl").display(),
        program.display(),
        bank.path("key.pub").display(),
    )
}

#[test]
fn a_trail_that_was_rewritten_with_all_its_hashes_differs_from_the_central_one_and_from_what_was_signed() {
    let bank = Bank::central();
    let text = std::fs::read_to_string(bank.config()).unwrap() + &signer(&bank);
    std::fs::write(bank.config(), text).unwrap();
    // What commands do has a trail of its own, and is there, too.
    bank.open_customers(1);
    let daemon = Daemon::run(&bank.config());
    assert_eq!(ask(&daemon, "POST", "/api/v1/customers", Some(&customer("6001"))).0, 201);
    let audit = crate::daemon::until("the central trail", || {
        let audit = daemon.status()["service"]["audit"].clone();
        (audit["central"]["lacks"] == 0 && audit["signed"]["last"].is_string()).then_some(audit)
    });
    assert!(audit["space"]["used_percent"].is_number(), "{audit}");
    // The tests write as the user who owns everything, and are told what that means.
    assert!(audit["central"]["could_be_changed_as"].to_string().contains("superuser"), "{audit}");
    assert!(daemon.terminate().success());
    let verify = |words: &[&str]| bank.command(&[&["audit", "verify", "--json"], words].concat(), None);
    let said = |words: &[&str]| -> Value { serde_json::from_slice(&verify(words).stdout).unwrap() };
    for words in [&[][..], &["--console"]] {
        let found = said(words);
        assert_eq!((&found["fault"], &found["central"]["lacks"]), (&Value::Null, &json!(0)), "{found}");
        assert_eq!(found["central"]["agreeing"], found["records"], "{found}");
    }
    assert!(said(&[])["signed"]["anchors"].as_u64().unwrap() >= 1);
    let last = said(&[])["last"].as_u64().unwrap();
    let count = "select count(*), max(number) from audit_trail where host = 'test audit'";
    assert_eq!(bank.psql(count), format!("{last}|{last}"));
    // Another start goes on where the table ends.
    let daemon = Daemon::run(&bank.config());
    assert!(daemon.terminate().success());
    let more = said(&[])["last"].as_u64().unwrap();
    assert!(more > last && bank.psql(count) == format!("{more}|{more}"), "{}", bank.psql(count));

    // Whoever owns the table can change it; the host's own trail says so.
    bank.psql(
        "alter table audit_trail disable trigger all; \
         update audit_trail set record = record || '\\x20' where host = 'test audit' and number = 2; \
         alter table audit_trail enable trigger all",
    );
    let changed = verify(&[]);
    let stderr = String::from_utf8(changed.stderr).unwrap();
    assert!(changed.status.code() == Some(1) && stderr.contains("record 2 is another"), "{stderr}");
    assert_eq!(said(&[])["central"]["first_difference"]["number"], 2);
    assert!(verify(&["--without-table"]).status.success());

    // A signature of another key is no signature.
    let other = bank.path("other.pub");
    let made = std::process::Command::new("sh")
        .args(["-c", "openssl genpkey -algorithm ed25519 | openssl pkey -pubout > other.pub"])
        .current_dir(bank.path("."))
        .status()
        .unwrap();
    assert!(made.success());
    let words = ["--without-table", "--public-key", other.to_str().unwrap()];
    let forged = verify(&words);
    let stderr = String::from_utf8(forged.stderr).unwrap();
    assert!(forged.status.code() == Some(1) && stderr.contains("not of this key"), "{stderr}");

    // A trail that was begun anew is another one, and the one before it is missed.
    std::fs::remove_dir_all(bank.path("data").join("audit")).unwrap();
    std::fs::remove_file(bank.path("anchors.jsonl")).unwrap();
    let daemon = Daemon::run(&bank.config());
    crate::daemon::until("the first signature", || {
        daemon.status()["service"]["audit"]["signed"]["last"].as_str().map(drop)
    });
    assert!(daemon.terminate().success());
    let missed = verify(&[]);
    let stderr = String::from_utf8(missed.stderr).unwrap();
    assert!(missed.status.code() == Some(1) && stderr.contains("another trail of this host"), "{stderr}");
    let others = said(&[])["central"]["others"].clone();
    assert!(verify(&["--replaced", others[0].as_str().unwrap()]).status.success(), "{others}");
}
