"""From the confirming read to the painted photo, with fifty handhelds open."""

import http.client
import json
import re
import statistics
import struct
import sys
import threading
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
TOKEN = "0123456789abcdef0123456789abcdef"

# Puts the milliseconds from each arrival to its painted photo into a list.
MEASURE = """
window.took = [];
let last;
const look = async () => {
  const photo = document.querySelector('#board article img');
  const at = Number(document.querySelector('#board article time')?.dataset.at);
  if (!photo || photo.src === last) return;
  const source = last = photo.src;
  await photo.decode();
  requestAnimationFrame(() => setTimeout(() => { if (photo.src === source) took.push(Date.now() - at); }));
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


class Screen(threading.Thread):
    """What a handheld asks for: the stream, and at each arrival the board and the photo, over a connection that
    it keeps."""

    def __init__(self, bank, person):
        super().__init__(daemon=True)
        self.bank, self.cookie, self.asked = bank, person.cookie, 0
        self.start()

    def connection(self):
        return http.client.HTTPConnection(*self.bank.http, timeout=60)

    def get(self, connection, path):
        connection.request("GET", path, headers={"Cookie": self.cookie, "HX-Request": "true"})
        return connection.getresponse()

    def run(self):
        stream, asking = self.connection(), self.connection()
        for line in self.get(stream, "/api/v1/arrivals"):
            if not line.startswith(b"data:"):
                continue
            visit = json.loads(line[5:])
            if "greeted" in visit or "departed_at" in visit or "arrived_at" not in visit:
                continue
            board = self.get(asking, f"/lobby/board?main={visit['id']}").read().decode()
            if photo := re.search(r'src="(/photos/[^"]+/large)"', board):
                self.get(asking, photo.group(1)).read()
            self.asked += 1


def browser(bank, number):
    """A real handheld in which somebody has logged in."""
    page = chromium.logged_in(bank, number, "412,915")
    page.find_element(By.CSS_SELECTOR, "#board")
    time.sleep(2)
    page.execute_script(MEASURE)
    return page


def main():
    host, work, arrivals = sys.argv[1], sys.argv[2], int(sys.argv[3])
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
        security, centre = bank.person("SE1"), bank.person("CS1")
        for person in [security, centre]:
            person.log_in()
        screens = []
        for number in range((SCREENS - 1 + SESSIONS_OF_A_PERSON - 1) // SESSIONS_OF_A_PERSON):
            person = bank.employ(f"H{number:02}", ["lobby_manager"], security, centre)
            screens.append(Screen(bank, person))
            if len(screens) < SCREENS - 1:
                person.log_in()
                screens.append(Screen(bank, person))
        scenario = bank.work / "door.toml"
        tags = "".join(
            f'[[tag]]\nepc = "{epc(number)}"\nat = "{int(number * APART_S * 1000) + 500}ms"\nfor = "500ms"\n'
            for number in range(arrivals))
        scenario.write_text(tags)
        with browser(bank, "LM1") as page:
            bank.emulate("mercury4", "--listen", f"127.0.0.1:{bank.door}", "--scenario", str(scenario))
            time.sleep(arrivals * APART_S + 6)
            took = sorted(page.execute_script("return window.took"))
        asked = sum(screen.asked for screen in screens)
        print(f"{len(screens) + 1} screens, {arrivals} arrivals {APART_S} s apart; {len(took)} photos painted; "
              f"the others asked for {asked} boards and photos")
        if not took:
            sys.exit("nothing was painted")
        at = lambda part: took[min(len(took) - 1, int(len(took) * part))]
        print(f"from the confirming read to the painted photo: median {statistics.median(took):.0f} ms, "
              f"95 % {at(0.95)} ms, 99 % {at(0.99)} ms, most {took[-1]} ms")
    finally:
        bank.close()


if __name__ == "__main__":
    main()
