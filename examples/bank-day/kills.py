"""What comes at once, and what is cut off, on either store.

Two reviewers approve the same request, and one approves what somebody edits: a hundred times each, and one of
the two happens. Then kill -9 in the middle of an approval, of encoding a card, of an export and of a change of
keys, at many points of each: each is wholly done or wholly not, as the trail says, and can be gone on with.

    kills.py HOST WORK TIMES STORE

TIMES is how often each is killed, STORE is embedded or postgres."""

import collections
import datetime
import json
import os
import pathlib
import secrets
import signal
import sys
import tempfile
import threading
import time

from bank import Bank, asked_and_approved, prove, submitted, until
from database import Database
from day import CARD, CUSTOMER

REASON = "客户投诉"
RACES = 100


class KilledBank(Bank):
    """A bank whose host is killed, with the store and the keys that it is told to have."""

    def __init__(self, host, work, database):
        super().__init__(host, work)
        self.database = database
        self.keys = [self.new_key()]
        self.more = self.store()

    def new_key(self):
        path = self.work / f"key-{len(list(self.work.glob('key-*')))}"
        path.write_text(secrets.token_hex(32))
        path.chmod(0o600)
        return path

    def store(self):
        """The table of the configuration: the last key, and all before it."""
        *older, key = (f'"file:{path}"' for path in self.keys)
        lines = ["[store]", f"key = {key}", f"older_keys = [{', '.join(older)}]"]
        if self.database:
            lines += ['kind = "postgres"', 'url = "env:BANK_DATABASE"']
        return "\n".join(lines) + "\n"

    def lay_new_card(self, number):
        """Another blank card on the desk, whose readers stay where they are."""
        for process in self.processes:
            process.terminate()
            process.wait(timeout=60)
        self.processes = []
        tag = self.work / "desk.toml"
        tag.write_text(f'[[tag]]\nepc = "E280117000000300{number:08X}"\nat = "0s"\nfor = "1h"\nantenna = 1\n')
        self.emulate("mercury4", "--listen", self.uhf, "--scenario", str(tag))
        card = self.work / "pad.toml"
        card.write_text(f'[[card]]\nuid = "{0x04B00000 + number:08X}"\nat = "0s"\nfor = "1h"\n')
        self.emulate("pn532", "--link", str(self.work / "pad"), "--scenario", str(card))

    def killed_while(self, ask, after):
        """Has somebody ask, kills the host so many seconds later, and starts it again. Returns the answer, if
        there was one."""
        answers = []

        def try_it():
            try:
                answers.append(ask())
            except OSError:
                # Cut off, as whoever asks a host that is killed is.
                pass
            except Exception as error:  # An answer that was cut in the middle.
                if "Remote" not in type(error).__name__ and "Incomplete" not in type(error).__name__:
                    raise

        asking = threading.Thread(target=try_it)
        asking.start()
        time.sleep(after)
        self.stop(signal.SIGKILL)
        asking.join()
        self.start()
        self.person("IC1").log_in()
        return answers[0] if answers else None

    def trail(self):
        """What was done to each object, by the trail: actions by version, without what was taken back."""
        lines = self.run("audit", "show", "--last", "1000000", "--config", str(self.configuration)).splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        undone = {entry["follows"] for entry in entries if "follows" in entry}
        acts = collections.defaultdict(dict)
        for entry in entries:
            if "version" in entry and entry["outcome"] == "done" and entry["number"] not in undone:
                versions = acts[entry["object"]]
                assert entry["version"] not in versions, f"twice in the trail: {entry}"
                versions[entry["version"]] = entry["action"]
        return acts

    def agrees(self, request):
        """Whether the trail says of a request what the store has."""
        acts = self.trail()[f"request {request['id']}"]
        assert sorted(acts) == list(range(1, request["version"] + 1)), (acts, request)
        return acts


def spread(times, seconds):
    """So many moments of a time, and one just behind it."""
    return [seconds * (at + 0.5) / times * 1.2 for at in range(times)]


def timed(act):
    begin = time.monotonic()
    result = act()
    return time.monotonic() - begin, result


def opening(number, **more):
    return {"kind": "open_customer", "draft": CUSTOMER | {"customer_number": number, "id_number": None} | more}


def asked(clerk, number):
    """A customer to be opened, who waits for a reviewer."""
    return submitted(clerk, clerk.do("POST", "/requests", opening(number), expect=201))


def approve(reviewer, request):
    return reviewer.ask("POST", f"/api/v1/requests/{request['id']}/approve", {"hash": request["hash"]})


def at_once(*acts):
    """What each has come to, all of them begun together."""
    barrier, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def act(at):
        barrier.wait()
        answers[at] = acts[at]()

    threads = [threading.Thread(target=act, args=(at,)) for at in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def races(bank, times):
    """Returns how often the edit was first."""
    clerk, one, other = bank.person("IC1"), bank.person("AR1"), bank.person("AR-0")
    over, edits = [], 0
    for at in range(times):
        if at % 50 == 0:
            prove(one)
            prove(other)
        request = asked(clerk, f"50{at:03}")
        statuses = sorted(answer[0] for answer in at_once(lambda: approve(one, request), lambda: approve(other, request)))
        assert statuses[0] == 200 and statuses[1] in (409, 412), statuses
        over.append((clerk.do("GET", f"/requests/{request['id']}"), "done", request["hash"]))
    for at in range(times):
        if at % 50 == 0:
            prove(one)
        request, number = asked(clerk, f"51{at:03}"), f"51{at:03}"
        tag = {"If-Match": f'"{request["version"]}"'}
        edit = lambda: clerk.ask(  # noqa: E731
            "PUT", f"/api/v1/requests/{request['id']}", opening(number, vip_class="platinum"), headers=tag)
        approved, edited = at_once(lambda: approve(one, request), edit)
        assert [approved[0], edited[0]].count(200) == 1, (approved, edited)
        assert approved[0] in (200, 409, 412) and edited[0] in (200, 409, 412), (approved, edited)
        found = clerk.do("GET", f"/requests/{request['id']}")
        is_done = approved[0] == 200
        # What was approved is what was read.
        assert (found["hash"] == request["hash"]) == is_done, (found, request)
        assert (clerk.ask("GET", f"/api/v1/customers/{number}")[0] == 200) == is_done
        over.append((found, "done" if is_done else "draft", found["hash"]))
        edits += not is_done
    acts = bank.trail()
    for found, state, content in over:
        assert (found["state"], found["hash"]) == (state, content), found
        versions = acts[f"request {found['id']}"]
        assert sorted(versions) == list(range(1, found["version"] + 1)), (versions, found)
        assert ("request.approve" in versions.values()) == (state == "done"), (versions, found)
    return edits


def approvals(bank, times):
    clerk = bank.person("IC1")
    first = bank.person("AR1")
    request = asked(clerk, "7000")
    prove(first)
    takes, answer = timed(lambda: approve(first, request))
    assert answer[0] == 200, answer
    done = 0
    for at, after in enumerate(spread(times, takes)):
        reviewer, number = bank.person(f"AR-{at}"), f"70{at + 1:02}"
        request = asked(clerk, number)
        reviewer.log_in()
        prove(reviewer)
        answer = bank.killed_while(lambda: approve(reviewer, request), after)
        found = clerk.do("GET", f"/requests/{request['id']}")
        is_there = clerk.ask("GET", f"/api/v1/customers/{number}")[0] == 200
        acts = bank.agrees(found)
        is_done = found["state"] == "done"
        assert found["state"] in ("submitted", "done"), found
        assert is_done == is_there == ("request.approve" in acts.values()), (found, is_there, acts)
        assert is_done or answer is None or answer[0] != 200, f"acknowledged and not there: {answer}"
        done += is_done
    return done


def encodings(bank, times):
    clerk = bank.person("IC1")
    waiting = []
    for at in range(times + 1):
        number = f"80{at:02}"
        asked_and_approved(clerk, bank.person("AR1"), opening(number))
        card = {"kind": "issue_card", "customer_number": number, "draft": CARD}
        waiting.append((number, asked_and_approved(clerk, bank.person("AR1"), card)[0]))

    def encode(request):
        return clerk.ask("POST", f"/api/v1/requests/{request['id']}/encode", {"desk": "hubin"})

    bank.lay_new_card(0)
    number, request = waiting.pop()
    takes, answer = timed(lambda: encode(request))
    assert answer[0] == 200, answer
    numbers, done = set(), 0
    for at, after in enumerate(spread(times, takes)):
        number, request = waiting[at]
        bank.lay_new_card(at + 1)
        answer = bank.killed_while(lambda: encode(request), after)
        found = clerk.do("GET", f"/requests/{request['id']}")
        acts = bank.agrees(found)
        is_done = found["state"] == "encoded"
        assert found["state"] in ("approved", "encoded"), found
        assert is_done == ("card.encode" in acts.values()), (found, acts)
        assert is_done or answer is None or answer[0] != 200, f"acknowledged and not there: {answer}"
        done += is_done
        # The card that lies there is gone on with, under the number that was kept for it.
        if not is_done:
            assert encode(request)[0] == 200
        verified = clerk.do("POST", f"/requests/{request['id']}/verify", {"desk": "hubin"})
        assert verified["state"] == "done", verified
        bank.agrees(verified)
        cards = clerk.do("GET", f"/customers/{number}/cards")["items"]
        assert [card["state"] for card in cards] == ["active"], cards
        heard = json.loads(bank.run("read", "mercury4", bank.uhf, "--json", "--once").splitlines()[0])["epc_hex"]
        assert heard.endswith(cards[0]["epc_ends"]) and heard not in numbers, (heard, cards)
        numbers.add(heard)
    return done


def exports(bank, times):
    lobby = bank.person("LM1")
    lobby.log_in()
    for _ in range(20):
        visit = lobby.do("POST", "/visits", {"customer_number": "7000", "branch": "hubin"}, expect=201)
        lobby.do("POST", f"/visits/{visit['id']}/depart")
    today = datetime.date.today()
    draft = {"branch": "hubin", "from": str(today - datetime.timedelta(days=2)),
             "to": str(today + datetime.timedelta(days=2)), "format": "xlsx", "purpose": "complaint"}
    folder = bank.work / "data" / "exports"
    made = 0
    for at, after in enumerate(spread(times, 0.15)):
        supervisor = bank.person(f"BS-{at}")
        supervisor.log_in()
        answer = bank.killed_while(
            lambda: supervisor.ask("POST", "/api/v1/exports", draft, reason=REASON), after)

        def ended():
            begun = {name: list(acts.values()) for name, acts in bank.trail().items() if name.startswith("export ")}
            return begun if all(len(acts) > 1 for acts in begun.values()) else None

        acts = until("the end of what was under way", ended)
        if answer and answer[0] == 202:
            assert f"export {answer[2]['export']['id']}" in acts, (answer, acts)
        ready = {name.split()[1] for name, acts in acts.items() if acts[-1] == "export.make"}
        lie = {path.name for path in folder.iterdir()} if folder.exists() else set()
        assert lie == ready, f"files {lie}, and the trail says {acts}"
        made = len(ready)
    return made


def key_changes(bank, times):
    clerk = bank.person("IC1")
    changed = 0
    for after in spread(times, 0.2):
        bank.keys.append(bank.new_key())
        text = bank.configuration.read_text()
        before = bank.more
        bank.more = bank.store()
        bank.configuration.write_text(text.replace(before, bank.more))
        log = bank.log
        bank.killed_while(lambda: bank.daemon.send_signal(signal.SIGHUP), after)
        changed += any("another master secret" in line for line in log)
        for number in ["7000", "8000"]:
            assert clerk.do("GET", f"/customers/{number}")["name"].startswith("张"), number
        # What is written now is there under the new one.
        bank.agrees(asked(clerk, f"9{len(bank.keys):03}"))
    said = bank.run("audit", "verify", "--config", str(bank.configuration))
    assert "agree with it" in said, said
    return changed


def play(host, work, times, database):
    bank = KilledBank(host, work, database)
    try:
        bank.open()
        bank.set_up()
        bank.staff()
        asks, approves = bank.person("SE1"), bank.person("CS1")
        for at in range(times):
            bank.employ(f"AR-{at}", ["approving_reviewer"], asks, approves)
            bank.employ(f"BS-{at}", ["branch_supervisor"], asks, approves)
        edits = races(bank, RACES)
        print(f"  {RACES} approvals by two at once, and as many beside an edit, which was first {edits} times")
        # While the first reviewer is logged in, what has to be approved before is.
        waiting = [("encoding", encodings), ("approval", approvals), ("export", exports), ("change of keys", key_changes)]
        for what, act in waiting:
            if what == "approval":
                bank.person("AR1").log_in()
            done = act(bank, times)
            print(f"  {what}: killed {times} times, {done} done before that, and nothing half")
        assert bank.stop() == 0
        verified = json.loads(bank.run("audit", "verify", "--json", "--config", str(bank.configuration)).splitlines()[0])
        assert verified["fault"] is None, verified
        if database:
            assert verified["central"]["lacks"] == 0, verified
        told = "".join(bank.log)
        assert "panicked" not in told, told
    finally:
        bank.close()


def main():
    host, work, times, store = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with tempfile.TemporaryDirectory(dir=work) as folder:
        if store == "embedded":
            print("kill -9, the store embedded")
            play(host, pathlib.Path(folder), times, None)
            return
        print("kill -9, the store in PostgreSQL")
        with Database() as database:
            os.environ["BANK_DATABASE"] = database.url
            play(host, pathlib.Path(folder), times, database)


if __name__ == "__main__":
    main()
