"""A day at a branch, played by a client that was generated from the host's OpenAPI document.

Every call goes through the generated package; what it does not know of the interface cannot be
called, and what the host answers must be what the document says, or the package does not take it.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

TOKEN = "0123456789abcdef0123456789abcdef"
CONFIGURATION = """
[host]
data_dir = '{work}/data'
listen = "127.0.0.1:0"

[branches.hubin]
name = "湖滨支行"

[readers.door]
driver = "mercury4"
branch = "hubin"
address = "127.0.0.1:1"
antennas = {{ 1 = "door" }}

[sinks.customers]
type = "lookup"
source = "service"

[pipelines.hubin]
readers = ["door"]
sinks = ["customers"]

[clients.day]
token = "env:DAY_TOKEN"
scopes = [
    "customers:read", "customers:write", "cards:read", "cards:write",
    "visits:read", "visits:write", "staff:read", "staff:write",
]
"""


def start(host, work):
    """The daemon, and the address at which it says that it listens."""
    configuration = work / "branch.toml"
    configuration.write_text(CONFIGURATION.format(work=work), encoding="utf-8")
    daemon = subprocess.Popen(
        [host, "run", "--log-format", "json", "--config", configuration],
        stderr=subprocess.PIPE,
        env=os.environ | {"DAY_TOKEN": TOKEN},
        text=True,
    )
    for line in daemon.stderr:
        address = json.loads(line).get("fields", {}).get("http")
        if address:
            return daemon, f"http://{address}"
    sys.exit("the daemon ended before it listened")


def generate(base, work):
    """The package that the generator makes of the document, imported."""
    with urllib.request.urlopen(f"{base}/api/v1/openapi.json") as answer:
        (work / "openapi.json").write_bytes(answer.read())
    said = subprocess.run(
        ["openapi-python-client", "generate", "--path", work / "openapi.json",
         "--output-path", work / "client", "--meta", "none", "--fail-on-warning",
         "--config", pathlib.Path(__file__).with_name("generator.yaml")],
        capture_output=True, text=True,
    )
    if said.returncode != 0:
        sys.exit(f"the generator refuses the document:\n{said.stdout}{said.stderr}")
    sys.path.insert(0, str(work))
    return importlib.import_module("client")


def play(package, base):
    """Opens a customer, asks for a card, checks in, greets, serves, and looks it all up."""
    client = package.AuthenticatedClient(base_url=base, token=TOKEN)
    models = importlib.import_module("client.models")

    def call(operation, *arguments, expect, **named):
        module = importlib.import_module(f"client.api.default.{operation}")
        answer = module.sync_detailed(*arguments, client=client, **named)
        if answer.status_code != expect:
            sys.exit(f"{operation}: {answer.status_code} {answer.content.decode()}")
        return answer

    draft = models.CustomerDraft.from_dict({
        "customer_number": "6001", "name": "张小明", "vip_class": "gold", "branch": "hubin",
        "id_number": "11010519491231002X", "consent": "given", "usual_business": "理财",
    })
    opened = call("open_customer", body=draft, expect=201)
    assert opened.parsed.customer_number == "6001", opened.parsed
    assert opened.parsed.id_number_masked == "1****************X", opened.parsed

    # A card is asked for; a person of the bank approves.
    asked = models.AskedType2.from_dict({
        "kind": "issue_card", "customer_number": "6001",
        "draft": {"epc_hex": "2D0000000000000000000001", "valid_from": "2026-01-01", "valid_until": "2028-12-31"},
    })
    drafted = call("draft_request", body=asked, expect=201)
    request = call("submit_request", drafted.parsed.id, if_match=drafted.headers["etag"], expect=200).parsed
    assert request.state == "submitted" and request.hash_, request
    call("approve_request", request.id, body=models.Decision.from_dict({"hash": request.hash_}), expect=403)
    staff = models.StaffDraft.from_dict(
        {"staff_number": "S1", "name": "李静", "role": "lobby_manager", "branch": "hubin"}
    )
    call("add_staff", body=staff, expect=201)
    by = models.By.from_dict({"staff_number": "S1"})
    check_in = models.CheckIn.from_dict(
        {"customer_number": "6001", "branch": "hubin", "staff_number": "S1"}
    )
    visit = call("check_in", body=check_in, expect=201).parsed
    call("greet", visit.id, body=by, expect=200)
    call("serve", visit.id, body=by, expect=200)
    business = models.Business.from_dict({"business": ["理财"]})
    call("note_business", visit.id, body=business, expect=200)
    call("depart", visit.id, expect=200)

    found = call("search_customers", body=models.CustomerSearch.from_dict({"text": "zxm"}), expect=200).parsed
    assert [customer.customer_number for customer in found.items] == ["6001"], found
    wanted = models.CustomerSearch.from_dict({"id_number": "11010519491231002X"})
    assert len(call("search_customers", body=wanted, expect=200).parsed.items) == 1
    visits = call("get_visits", branch="hubin", expect=200).parsed.items
    assert len(visits) == 1 and visits[0].business == ["理财"] and visits[0].departed_at, visits

    same = call("get_customer", "6001", expect=200)
    changed = models.CustomerDraft.from_dict(draft.to_dict() | {"notes": "常来"})
    stale = call("change_customer", "6001", body=changed, if_match='"9"', expect=412)
    assert stale.parsed.status == 412 and stale.parsed.detail, stale.parsed
    tag = same.headers["etag"]
    assert call("change_customer", "6001", body=changed, if_match=tag, expect=200).parsed.version == 2
    nobody = call("get_customer", "9999", expect=404).parsed
    assert nobody.title == "Not found", nobody


def main():
    host, work = sys.argv[1], pathlib.Path(sys.argv[2])
    daemon, base = start(host, work)
    try:
        play(generate(base, work), base)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)
    if daemon.returncode != 0:
        sys.exit("the daemon did not end well")
    print("a generated client played the day")


main()
