"""The bank's day, played by different people: open, approve, issue, arrive, greet, serve, leave, report,
audit. Each comes from a desk of their own and may do no more than their role says."""

import datetime
import json
import signal
import sys
import tempfile

from bank import Bank, asked_and_approved, exported, until

CUSTOMER = {
    "customer_number": "6001", "name": "张小明", "id_number": "11010519491231002X", "employer": "西州电力",
    "vip_class": "gold", "usual_business": "理财", "branch": "hubin", "account_manager": "AM1", "consent": "given",
}
CARD = {"valid_from": "2020-01-01", "valid_until": "2099-12-31"}


def play(bank):
    bank.open()
    bank.set_up()
    bank.staff()
    who = bank.person
    print("eleven people, each account asked for by one and approved by another")

    # The desk opens a customer and asks for a card; a reviewer approves both.
    asked_and_approved(who("IC1"), who("AR1"), {"kind": "open_customer", "draft": CUSTOMER})
    request, _ = asked_and_approved(
        who("IC1"), who("AR1"), {"kind": "issue_card", "customer_number": "6001", "draft": CARD})
    encoded = who("IC1").do("POST", f"/requests/{request['id']}/encode", {"desk": "hubin"})
    assert encoded["state"] == "encoded", encoded
    done = who("IC1").do("POST", f"/requests/{request['id']}/verify", {"desk": "hubin"})
    assert done["state"] == "done", done
    cards = who("IC1").do("GET", "/customers/6001/cards")["items"]
    assert [card["state"] for card in cards] == ["active"], cards
    heard = json.loads(bank.run("read", "mercury4", bank.uhf, "--json", "--once").splitlines()[0])
    epc = heard["epc_hex"]
    assert epc.startswith("2D") and epc.endswith(cards[0]["epc_ends"]), (epc, cards)
    # Nobody writes the tag again without its password, and the chip opens to no factory key.
    bank.run("tag", "write-epc", "mercury4", bank.uhf, "E28011700000020A12345678", "--yes", expect=1)
    print(f"a card was issued: encoded, locked, read back ({epc[:4]}...{epc[-4:]})")

    # The customer walks in.
    who("LM1").do("PUT", "/staff/LM1/duty", {"on_duty": True})
    scenario = bank.work / "door.toml"
    scenario.write_text(f'[[tag]]\nepc = "{epc}"\nat = "0s"\nfor = "10m"\nantenna = 1\nreads_per_second = 20\n')
    door, _ = bank.emulate("mercury4", "--listen", f"127.0.0.1:{bank.door}", "--scenario", str(scenario))
    visit = until("the arrival", lambda: who("LM1").do("GET", "/visits?open=true")["items"])[0]
    shown = who("LM1").do("GET", "/customers/6001")
    assert (shown["name"], shown["usual_business"], shown["masked"]) == ("张小明", "理财", False), shown
    path = f"/visits/{visit['id']}"
    who("LM1").do("POST", f"{path}/greet", {})
    who("AM1").do("POST", f"{path}/serve", {})
    who("AM1").do("POST", f"{path}/business", {"business": ["理财"]})
    door.terminate()
    left = who("LM1").do("POST", f"{path}/depart")
    assert left["greeted"] and left["served"] and left["departed_at"], left
    who("LM1").do("PUT", "/staff/LM1/duty", {"on_duty": False})
    print("the customer was recognised at the door, greeted, served and seen out")

    # The evening: the lost card, reports, and the auditor.
    lost = who("LM1").do("PUT", f"/cards/{cards[0]['id']}/state", {"state": "lost"},
                         headers={"If-Match": f'"{cards[0]["version"]}"'})
    assert lost["state"] == "lost", lost
    # Days are those of Shanghai, wherever this runs.
    day = datetime.date.fromisoformat(visit["arrived_at"][:10])
    query = f"from={day}&to={day + datetime.timedelta(days=1)}"
    report = who("BS1").do("GET", f"/reports/visits?{query}&by=branch,vip_class")["rows"]
    assert [(row["branch"], row["vip_class"], row["visits"]) for row in report] == [("hubin", "gold", 1)], report
    staff = who("BS1").do("GET", f"/reports/staff?{query}")["rows"]
    assert {row["staff_number"]: row["greeted"] for row in staff}["LM1"] == 1, staff
    csv = who("CS1").do("GET", f"/reports/visits?{query}&format=csv")
    assert csv.startswith(b"\xef\xbb\xbfday,visits"), csv
    number = who("BS1").do("POST", "/customers/6001/id-number", reason="客户来电核对")["id_number"]
    assert number == CUSTOMER["id_number"], number
    # A few visits are carried out alone, shortened; with who came, when the centre has approved it.
    draft = {"branch": "hubin", "from": str(day), "to": str(day + datetime.timedelta(days=1)), "format": "csv",
             "purpose": "complaint"}
    begun = who("BS1").do("POST", "/exports", draft, expect=202, reason="客户投诉")
    csv = exported(who("BS1"), begun).decode("utf-8-sig")
    assert begun["export"]["id"] in csv and "张**" in csv and "小明" not in csv, csv
    asked = {"kind": "export_visits", "draft": draft | {"unmasked": True}, "reason": "客户投诉"}
    request, _ = asked_and_approved(who("BS1"), who("CS1"), asked)
    begun = who("BS1").do("POST", f"/requests/{request['id']}/export", expect=202)
    csv = exported(who("BS1"), begun).decode("utf-8-sig")
    assert ",6001,张小明," in csv and CUSTOMER["id_number"] not in csv, csv
    assert not list((bank.work / "data" / "exports").iterdir()), "a fetched export is still there"
    verified = who("AU1").do("POST", "/audit/verification")
    assert verified["is_whole"], verified
    trail = who("AU1").do("GET", "/audit?limit=200")["items"]
    actions = {entry["entry"]["action"] for entry in trail}
    for action in ["customer.unmask", "card.state", "visit.greet", "report.make", "export.ask", "export.make", "export.fetch"]:
        assert action in actions, (action, sorted(actions))
    assert any(entry["entry"].get("reason") == "客户来电核对" for entry in trail)
    assert "张" not in json.dumps(trail, ensure_ascii=False) and CUSTOMER["id_number"] not in json.dumps(trail)
    print(f"reports were made, and the trail is whole: {verified['last']} records")

    # The host is killed in the middle of an export; what it acknowledged is there, and the trail goes on.
    begun = who("BS1").do("POST", "/exports", draft, expect=202, reason="客户投诉")
    bank.stop(signal.SIGKILL)
    bank.start()
    assert bank.code is None, "a bank with administrators offers no setup"
    who("AU1").log_in()
    who("BS1").log_in()
    path = f"/exports/{begun['export']['id']}"
    export = until("its end", lambda: (lambda export: export["state"] != "pending" and export)(who("BS1").do("GET", path)))
    if export["state"] == "ready":
        who("BS1").do("POST", f"{path}/file", {"key": begun["key"]})
    else:
        assert export["failure"] == "the host ended before it was made", export
    assert not list((bank.work / "data" / "exports").iterdir()), "an export half-way is still there"
    # The customer wants to be forgotten. What was counted stays counted, and of nobody.
    who("CS1").log_in()
    erase = {"kind": "erase_person", "customer_number": "6001"}
    asked_and_approved(who("BS1"), who("CS1"), erase, reason="客户书面申请")
    who("BS1").do("GET", "/customers/6001", expect=404)
    counted = who("BS1").do("GET", f"/reports/visits?{query}&by=branch,vip_class")["rows"]
    assert counted == report, counted
    trail = who("AU1").do("GET", "/audit?limit=200")["items"]
    assert any(entry["entry"]["action"] == "customer.erased" for entry in trail)
    print("the customer was erased, and the visit still counts")

    again = who("AU1").do("POST", "/audit/verification")
    assert again["is_whole"] and again["last"] >= verified["last"], again
    said = bank.run("audit", "verify", "--config", str(bank.configuration))
    assert "agree with it" in said, said
    assert bank.stop() == 0
    told = "".join(bank.log)
    for secret in ["张小明", CUSTOMER["id_number"], "西州电力", epc]:
        assert secret not in told, f"{secret} stands in the log"
    print("after a kill nothing is missing, and the log names nobody")


def main():
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as work:
        bank = Bank(sys.argv[1], work)
        try:
            play(bank)
        finally:
            bank.close()


if __name__ == "__main__":
    main()
