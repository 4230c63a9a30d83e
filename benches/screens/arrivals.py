"""From the confirming read to the painted photo, with fifty handhelds open."""

import contextlib
import http.client
import json
import statistics
import struct
import subprocess
import sys
import time
import zlib

import bank as bank_day
import chromium
from bank import Bank
from selenium.webdriver.common.by import By

SCREENS = 50
SESSIONS_OF_A_PERSON = 2
# Further apart than a handheld holds on to who came before.
APART_S = 3.0
# Before the first, so that the host has found the reader, which comes up with the cards.
LEAD_S = 20
TOKEN = "0123456789abcdef0123456789abcdef"

# What stands between an arrival and its painted photo, in the order in which it ends.
STEPS = ["asked for", "board there", "photo there", "decoded", "painted"]
# Puts the milliseconds from each arrival to each of these into a list.
MEASURE = """
window.took = [];
performance.setResourceTimingBufferSize(10000);
let last;
const look = async () => {
  const photo = document.querySelector('#board article img');
  const at = Number(document.querySelector('#board article time')?.dataset.at) - performance.timeOrigin;
  if (!photo || photo.src === last) return;
  const source = last = photo.src;
  const asked = performance.getEntriesByType('resource');
  const board = asked.findLast((one) => one.name.includes('/lobby/board'));
  await photo.decode();
  const decoded = performance.now();
  const got = performance.getEntriesByName(source).at(-1);
  requestAnimationFrame(() => setTimeout(() => {
    if (photo.src !== source) return;
    const ends = [board?.startTime, board?.responseEnd, got?.responseEnd, decoded, performance.now()];
    took.push(ends.map((end) => Math.round(end - at)));
  }));
};
new MutationObserver(look).observe(document.querySelector('#board'), { childList: true, subtree: true, attributes: true });
"""


def picture(number):
    """A picture of 640 x 640 pixels that compresses as little as a photo does."""
    rows, value = [], number + 1
    for y in range(640):
        row = bytearray([0])
        for x in range(640):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            row += bytes(((x // 3 + value % 23) & 255, (y // 3 + value % 29) & 255, (number * 7 + value % 31) & 255))
        rows.append(bytes(row))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 640, 640, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b"")


def ask(bank, method, path, body, kind, headers=None):
    connection = http.client.HTTPConnection(*bank.http, timeout=60)
    sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind} | (headers or {})
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status}: {said}")
    return answer.headers


def customers(bank, arrivals):
    """Customers with photos and cards, one for each arrival."""
    pictures = [picture(number) for number in range(8)]
    for number in range(arrivals):
        customer = {"customer_number": f"6{number:04}", "name": f"张{number}", "vip_class": "gold",
                    "usual_business": "理财", "branch": "hubin", "consent": "given"}
        headers = ask(bank, "POST", "/api/v1/customers", json.dumps(customer), "application/json")
        ask(bank, "PUT", f"/api/v1/customers/6{number:04}/photo", pictures[number % 8], "image/png",
            {"If-Match": headers["ETag"]})
    cards = bank.work / "cards.csv"
    rows = [f"6{number:04},{epc(number)},,2020-01-01,2099-12-31,active" for number in range(arrivals)]
    cards.write_text("customer_number,epc_hex,uid_hex,valid_from,valid_until,state\n" + "\n".join(rows) + "\n")


def epc(number):
    return f"2D{number:022X}"


class Handhelds:
    """Handhelds by the dozen, in one program: what they look at costs the host, and what they are next to nothing."""

    def __init__(self, bank, program):
        address = "%s:%d" % bank.http
        self.program = subprocess.Popen([program, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = 0

    def add(self, person):
        self.program.stdin.write(person.cookie + "\n")
        self.program.stdin.flush()
        self.count += 1

    def end(self):
        """How many boards and photos came, and the milliseconds from each arrival until one of them heard of it."""
        said, _ = self.program.communicate(timeout=60)
        figures = dict(line.split(" ", 1) for line in said.splitlines())
        return int(figures["answers"]), [int(after) for after in figures["told"].split()]


def browser(bank, number):
    """A real handheld in which somebody has logged in."""
    page = chromium.logged_in(bank, number, "412,915")
    page.find_element(By.CSS_SELECTOR, "#board")
    time.sleep(2)
    page.execute_script(MEASURE)
    return page


@contextlib.contextmanager
def opened(host, work, arrivals):
    """A bank with so many customers who have cards, and those logged in who give others their accounts."""
    bank_day.CONFIGURATION = bank_day.CONFIGURATION.replace(
        'sinks = ["customers"]', 'sinks = ["customers"]\npresence = {{ lost_after = "2s" }}') + f"""
[clients.core]
token = "{TOKEN}"
scopes = ["customers:write"]
requests_per_minute = 60000
"""
    bank = Bank(host, work)
    bank.open()
    try:
        bank.set_up()
        bank.staff()
        customers(bank, arrivals)
        bank.stop()
        bank.run("import", "cards", str(bank.work / "cards.csv"), "--config", str(bank.configuration))
        bank.start()
        for number in ["SE1", "CS1"]:
            bank.person(number).log_in()
        yield bank
    finally:
        bank.close()


def sessions(bank, count):
    """So many sessions of lobby managers; who has it may look at once."""
    for number in range(count):
        if number % SESSIONS_OF_A_PERSON == 0:
            person = bank.employ(f"H{number:02}", ["lobby_manager"], bank.person("SE1"), bank.person("CS1"))
        else:
            person.log_in()
        yield person


def walk_in(bank, tags):
    scenario = bank.work / "door.toml"
    scenario.write_text("".join(tags))
    bank.emulate("mercury4", "--listen", f"127.0.0.1:{bank.door}", "--scenario", str(scenario))


def main():
    host, work, arrivals, program = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with opened(host, work, arrivals) as bank:
        handhelds = Handhelds(bank, program)
        for person in sessions(bank, SCREENS - 1):
            handhelds.add(person)
        tags = [
            f'[[tag]]\nepc = "{epc(number)}"\nat = "{int((LEAD_S + number * APART_S) * 1000)}ms"\nfor = "500ms"\n'
            for number in range(arrivals)]
        with browser(bank, "LM1") as page:
            walk_in(bank, tags)
            time.sleep(LEAD_S + arrivals * APART_S + 6)
            ends = page.execute_script("return window.took")
        answers, told = handhelds.end()
        print(f"{handhelds.count + 1} screens, {arrivals} arrivals {APART_S} s apart; {len(ends)} photos painted; "
              f"the others got {answers} boards and photos")
        if not ends:
            sys.exit("nothing was painted")
        print("milliseconds from the confirming read")
        for step, took in [("others told", told), *zip(STEPS, zip(*ends))]:
            # A browser may keep no time of what it took from its memory.
            took = sorted(end for end in took if end is not None)
            at = lambda part: took[min(len(took) - 1, int(len(took) * part))]
            print(f"  {step:<12} median {statistics.median(took):3.0f}, 95 % {at(0.95):3}, 99 % {at(0.99):3}, most {took[-1]:3}")


if __name__ == "__main__":
    main()
