"""The first paint of the centre's page in a real browser, with 300 branches and 2,000 readers, and how often it
repaints while cards come and go before all readers.

  benches/screens/run centre [path of rfid-host]
"""

import statistics
import sys
import time

import chromium
from bank import Bank
from selenium.webdriver.common.by import By

BRANCHES = 300
READERS = 2_000
LOADS = 20
WATCHED_S = 20
TAGS = 200

# Notes when what is shown of the branches changes: what changes in one go is painted in one go.
REPAINTS = """
window.repaints = [];
new MutationObserver(() => repaints.push(performance.now()))
  .observe(document.querySelector('#main'), { childList: true, subtree: true, attributes: true, characterData: true });
"""


def configuration(port):
    """Branches, each with its readers, which all lead to one emulator, each by an address of its own."""
    tables = []
    names = [[] for _ in range(BRANCHES)]
    for number in range(READERS):
        branch = number % BRANCHES
        names[branch].append(f'"r{number:04}"')
        address = f"127.1.{number // 200}.{number % 200 + 1}:{port}"
        tables.append(f'[readers.r{number:04}]\ndriver = "mercury4"\nbranch = "b{branch:03}"\n'
                      f'address = "{address}"\ntime_out = "1s"\nantennas = {{ 1 = "door" }}\n')
    for branch in range(BRANCHES):
        tables.append(f'[branches.b{branch:03}]\nname = "第{branch}支行"\n\n[pipelines.b{branch:03}]\n'
                      f'readers = [{", ".join(names[branch])}]\nsinks = ["customers"]\n'
                      'presence = { lost_after = "2s" }\n')
    return "\n" + "\n".join(tables)


def supervisor(bank):
    """A browser in which the supervisor of the centre has logged in."""
    page = chromium.logged_in(bank, "CS1", "1920,1080", bank.person("CS1").digits())
    page.find_element(By.CSS_SELECTOR, "#branch-b000")
    return page


def main():
    host, work = sys.argv[1], sys.argv[2]
    bank = Bank(host, work)
    try:
        # Tags that come and go before all readers at once.
        scenario = bank.work / "doors.toml"
        scenario.write_text('[scenario]\nrepeat = "4s"\n' + "".join(
            f'[[tag]]\nepc = "2D{number:022X}"\nat = "{number * 20}ms"\nfor = "300ms"\n' for number in range(TAGS)))
        _, address = bank.emulate("mercury4", "--listen", "0.0.0.0:0", "--scenario", str(scenario))
        bank.more = configuration(address.rpartition(":")[2])
        bank.open()
        bank.set_up()
        bank.staff()
        with supervisor(bank) as page:
            centre = "http://{}:{}/centre".format(*bank.http)
            took = [chromium.first_paint(page, centre) for _ in range(LOADS)]
            told, painted = (sorted(part) for part in zip(*took))
            page.execute_script(REPAINTS)
            time.sleep(WATCHED_S)
            repaints = page.execute_script("return window.repaints")
            well = page.execute_script("return document.querySelectorAll('[id^=branch-]').length")
        most = max((sum(at <= other < at + 1000 for other in repaints) for at in repaints), default=0)
        print(f"{BRANCHES} branches, {READERS} readers, {well} tiles, {LOADS} loads")
        print(f"the page is there: median {statistics.median(told):.0f} ms, most {told[-1]:.0f} ms; "
              f"first paint: median {statistics.median(painted):.0f} ms, most {painted[-1]:.0f} ms")
        print(f"while cards come and go: {len(repaints) / WATCHED_S:.1f} changes a second, "
              f"at most {most} in a second")
        if not repaints:
            sys.exit("nothing changed while it was watched")
    finally:
        bank.close()


if __name__ == "__main__":
    main()
