"""Somebody inside tries to cheat, in every way that comes to mind, and fails at every step; the trail tells
of it. Each step says what is tried and what the bank answers."""

import datetime
import json
import pathlib
import sys
import tempfile
import threading

from bank import PASSWORD, Bank, asked_and_approved, prove, submitted, until
from day import CARD, CUSTOMER


def refused(what, answer, *statuses):
    """A try that must be refused with one of these."""
    status, _, said = answer
    if status not in statuses:
        sys.exit(f"{what}: {status} instead of {statuses}: {said}")
    detail = said.get("detail", "") if isinstance(said, dict) else ""
    for inside in ["/data", "sled", "panicked", "src/", "select "]:
        assert inside not in str(said), f"{what}: the answer tells of the inside: {said}"
    print(f"  {what}: {status} {detail}"[:150])


def play(bank):
    bank.open()
    bank.set_up()
    bank.staff()
    who = bank.person
    clerk, reviewer, lobby, manager = who("IC1"), who("AR1"), who("LM1"), who("AM1")
    api = "/api/v1"

    print("one person alone puts no card into the world")
    asked_and_approved(clerk, reviewer, {"kind": "open_customer", "draft": CUSTOMER})
    issue = {"kind": "issue_card", "customer_number": "6001", "draft": CARD}
    drafted = clerk.do("POST", "/requests", issue, expect=201)
    request = submitted(clerk, drafted)
    path = f"{api}/requests/{request['id']}"
    decision = {"hash": request["hash"]}
    refused("the clerk approves", clerk.ask("POST", f"{path}/approve", decision), 403)
    refused("the clerk encodes before", clerk.ask("POST", f"{path}/encode", {"desk": "hubin"}), 409)
    refused("a card is bound directly", clerk.ask("POST", f"{api}/customers/6001/cards", {"epc_hex": "2D01"} | CARD), 405)
    refused("a customer is opened directly", clerk.ask("POST", f"{api}/customers", CUSTOMER), 403)
    over = {"kind": "issue_card", "customer_number": "6001", "draft": CARD, "state": "approved"}
    refused("a state is sent along", clerk.ask("POST", f"{api}/requests", over), 422)
    refused("the reviewer asks", reviewer.ask("POST", f"{api}/requests", issue), 403)

    print("what was approved is what was read")
    changed = issue | {"draft": CARD | {"valid_until": "2199-12-31"}}
    edited = clerk.do("PUT", f"/requests/{request['id']}", changed, headers={"If-Match": f'"{request["version"]}"'})
    prove(reviewer)
    refused("an old version is approved", reviewer.ask("POST", f"{path}/approve", decision), 409)
    again = submitted(clerk, edited)
    refused("an old hash is approved", reviewer.ask("POST", f"{path}/approve", decision), 412)

    print("nobody borrows another's session, desk or name")
    thief = bank.person("thief")
    thief.cookie, thief.proof = reviewer.cookie, reviewer.proof
    refused("a stolen cookie of a reviewer", thief.ask("GET", f"{api}/session"), 401)
    refused("and it is dead at home, too", reviewer.ask("GET", f"{api}/session"), 401)
    reviewer.log_in()
    cookie, proof = lobby.cookie, lobby.proof
    refused("without its proof", lobby.ask("PUT", f"{api}/staff/LM1/duty", {"on_duty": True}, {"X-Session-Proof": "0"}), 403)
    foreign = {"Origin": "https://elsewhere.example"}
    refused("from another page", lobby.ask("PUT", f"{api}/staff/LM1/duty", {"on_duty": True}, foreign), 403)
    refused("a forged cookie", thief.ask("GET", f"{api}/session", headers={"Cookie": "__Host-rfid-session=" + "0" * 64}), 401)
    refused("a forged token", thief.ask("GET", f"{api}/visits", headers={"Authorization": "Bearer " + "0" * 64, "Cookie": ""}), 401)
    lobby.do("DELETE", "/session", expect=204)
    lobby.cookie, lobby.proof = cookie, proof
    refused("a cookie after the log-out", lobby.ask("GET", f"{api}/session"), 401)
    lobby.log_in()
    clerk_at_desk = bank.person("clerk at the reviewer's desk")
    clerk_at_desk.address = reviewer.address
    clerk_at_desk.number, clerk_at_desk.secret = "IC1", None
    clerk_at_desk.log_in()
    at_desk = clerk_at_desk.do("POST", "/requests", issue, expect=201)
    at_desk = submitted(clerk_at_desk, at_desk)
    prove(reviewer)
    refused("asked and approved at one desk", reviewer.ask("POST", f"{api}/requests/{at_desk['id']}/approve", {"hash": at_desk["hash"]}), 409)

    print("an approval counts once, whoever is faster")
    bank.employ("AR2", ["approving_reviewer"], who("SE1"), who("CS1"))
    for person in [reviewer, who("AR2")]:
        prove(person)
    answers = []
    decide = lambda person: answers.append(person.ask("POST", f"{path}/approve", {"hash": again["hash"]})[0])
    both = [threading.Thread(target=decide, args=(person,)) for person in [reviewer, who("AR2")]]
    [thread.start() for thread in both]
    [thread.join() for thread in both]
    assert sorted(answers) in ([200, 409], [200, 412]), answers
    refused("a second time", reviewer.ask("POST", f"{path}/approve", {"hash": again["hash"]}), 409)

    print("a spoilt card does not leave the desk on one person's word")
    clerk.do("POST", f"/requests/{request['id']}/encode", {"desk": "hubin"})
    clerk.do("POST", f"/requests/{request['id']}/spoilt")
    spoilt = clerk.do("POST", "/cards/search", {"state": "spoilt"})["items"][0]
    seen, path = {"If-Match": f'"{spoilt["version"]}"'}, f"{api}/cards/{spoilt['id']}"
    refused("destroyed, says who encoded it", clerk.ask("POST", f"{path}/destroyed", headers=seen), 409)
    refused("another state for it", clerk.ask("PUT", f"{path}/state", {"state": "active"}, seen), 403, 409)
    destroyed = reviewer.do("POST", f"/cards/{spoilt['id']}/destroyed", headers=seen)
    assert destroyed["spoilt"]["by"] != destroyed["destroyed"]["by"], destroyed

    print("nobody looks where they have no business")
    other = who("AM2")
    here = other.ask("GET", f"{api}/customers/6001")
    nowhere = other.ask("GET", f"{api}/customers/9999")
    refused("another branch's customer", here, 404)
    assert (here[0], here[2]) == (nowhere[0], nowhere[2]), "what is not theirs differs from what is not there"
    refused("an ID number in full", lobby.ask("POST", f"{api}/customers/6001/id-number", reason="just so"), 403)
    refused("an ID number without a reason", who("BS1").ask("POST", f"{api}/customers/6001/id-number"), 403)
    refused("a famous customer from the centre", who("CS1").ask("POST", f"{api}/customers/search", {"text": "张"}), 403)
    refused("customers by an administrator", who("SE1").ask("GET", f"{api}/customers/6001"), 403)
    refused("the trail by who is watched", clerk.ask("GET", f"{api}/audit"), 403)
    masked = lobby.do("GET", "/customers/6001")
    assert masked["masked"] and "小明" not in str(masked), masked
    for text in ["' or 1=1 --", "张%' union select", "\u202e%", "<script>alert(1)</script>", "=HYPERLINK(\"x\")"]:
        found = manager.do("POST", "/customers/search", {"text": text})
        assert found["items"] == [], (text, found)
    refused("somebody else's greeting", lobby.ask("POST", f"{api}/visits", {"customer_number": "6001", "branch": "hubin", "staff_number": "AM1"}), 409)

    print("nobody carries out more than they may, or what others asked for")
    lobby.do("POST", "/visits", {"customer_number": "6001", "branch": "hubin"}, expect=201)
    draft = {"branch": "hubin", "from": "2020-01-01", "to": "2020-01-31", "format": "csv", "purpose": "audit"}
    refused("an export by a clerk", clerk.ask("POST", f"{api}/exports", draft, reason="just so"), 403)
    refused("an export without a reason", who("BS1").ask("POST", f"{api}/exports", draft), 403)
    refused("another branch's visits", who("BS1").ask("POST", f"{api}/exports", draft | {"branch": "dongmen"}, reason="just so"), 404)
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
    draft |= {"from": str(today - datetime.timedelta(days=1)), "to": str(today)}
    refused("who came, alone", who("BS1").ask("POST", f"{api}/exports", draft | {"unmasked": True}, reason="just so"), 409)
    begun = who("BS1").do("POST", "/exports", draft, expect=202, reason="客户投诉")
    link, key = f"{api}/exports/{begun['export']['id']}/file", {"key": begun["key"]}
    until("the export", lambda: who("BS1").do("GET", f"/exports/{begun['export']['id']}")["state"] == "ready")
    refused("a link that was found", who("CS1").ask("POST", link, key), 404)
    refused("a key that is guessed", who("BS1").ask("POST", link, {"key": "0" * 64}), 422)
    who("BS1").do("POST", link.removeprefix("/api/v1"), key)
    refused("an export fetched twice", who("BS1").ask("POST", link, key), 409)
    whole = {"kind": "export_visits", "draft": draft | {"unmasked": True}, "reason": "客户投诉"}
    whole = submitted(who("BS1"), who("BS1").do("POST", "/requests", whole, expect=201))
    refused("what nobody approved", who("BS1").ask("POST", f"{api}/requests/{whole['id']}/export"), 409)
    refused("one's own approval", who("BS1").ask("POST", f"{api}/requests/{whole['id']}/approve", {"hash": whole["hash"]}), 403)

    print("nobody gives power to themselves")
    own = {"kind": "change_account", "staff_number": "SE1", "roles": ["centre_supervisor"]}
    refused("a role for oneself", who("SE1").ask("POST", f"{api}/requests", own), 409)
    refused("one's own account confirmed", who("BS1").ask("POST", f"{api}/accounts/BS1/confirm", headers={"If-Match": '"1"'}), 409)
    both = {"kind": "open_account", "staff_number": "X1", "name": "x", "branch": "hubin", "roles": ["issuing_clerk", "approving_reviewer"]}
    refused("two powers that exclude each other", who("SE1").ask("POST", f"{api}/requests", both), 422)
    refused("the door of the first accounts", thief.ask("POST", f"{api}/setup", {
        "code": bank.code, "staff_number": "SE9", "name": "x", "branch": "hubin", "role": "security_administrator",
    }), 401)
    third = {"kind": "open_account", "staff_number": "X2", "name": "x", "branch": "hubin", "roles": ["security_administrator"]}
    third = submitted(who("SE1"), who("SE1").do("POST", "/requests", third, expect=201))
    prove(who("SA1"))
    refused("the system administrator approves accounts", who("SA1").ask("POST", f"{api}/requests/{third['id']}/approve", {"hash": third["hash"]}), 409)
    refused("the last security administrator's end", who("SE1").ask("POST", f"{api}/accounts/SE1/disable"), 409)

    print("nobody guesses")
    answers = set()
    for number, password in [("AR1", "wrong"), ("nobody", "wrong"), ("AR1", PASSWORD)]:
        status, _, said = thief.ask("POST", f"{api}/session", {"staff_number": number, "password": password}, {"Cookie": ""})
        answers.add((status, json.dumps(said)))
    assert len(answers) == 1, "who is there can be told from who is not"
    for _ in range(9):
        thief.ask("POST", f"{api}/session", {"staff_number": "LM1", "password": "wrong"}, {"Cookie": ""})
    thief.ask("POST", f"{api}/session", {"staff_number": "LM1", "password": "wrong"}, {"Cookie": ""})
    refused("the right password after ten wrong ones", lobby.ask("POST", f"{api}/session", {"staff_number": "LM1", "password": PASSWORD}, {"Cookie": ""}), 401)

    print("and nobody changes what happened")
    who("AU1").do("POST", "/audit/verification")
    trail = who("AU1").do("GET", "/audit?limit=200")["items"]
    outcomes = [entry["entry"]["outcome"] for entry in trail]
    assert outcomes.count("refused") > 20, outcomes
    assert bank.stop() == 0
    verify = ["audit", "verify", "--config", str(bank.configuration)]
    bank.run(*verify)
    files = sorted(path for path in (bank.work / "data" / "audit").rglob("*") if path.is_file() and path.stat().st_size < 16_000_000)
    file = max(files, key=lambda path: path.stat().st_size)
    good = file.read_bytes()
    at = good.index(b'"refused"')
    file.write_bytes(good[:at] + b'"allowed"' + good[at + 9:])
    said = bank.run(*verify, expect=1)
    assert "record " in said, said
    print(f"  a record is rewritten: {said.strip().splitlines()[-1]}"[:150])
    file.write_bytes(good[:len(good) // 2])
    said = bank.run(*verify, expect=1)
    print(f"  the end is cut off: {said.strip().splitlines()[-1]}"[:150])
    file.write_bytes(good)
    bank.run(*verify)


def main():
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as work:
        bank = Bank(sys.argv[1], pathlib.Path(work))
        try:
            play(bank)
        finally:
            bank.close()
    print("the insider has failed at every step")


if __name__ == "__main__":
    main()
