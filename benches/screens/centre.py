"""How long the page of the service centre takes until it is painted, with 300 branches and 2,000 readers."""

import statistics
import sys

import bank as bank_day
from bank import Bank
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BRANCHES = 300
READERS = 2_000
TIMES = 9
TOKEN = "0123456789abcdef0123456789abcdef"

# From where the browser begins to ask until something is painted, and until all of it is there.
TOOK = """
const paint = performance.getEntriesByName('first-contentful-paint')[0];
const page = performance.getEntriesByType('navigation')[0];
return [paint?.startTime ?? -1, page.responseEnd, page.domComplete, page.decodedBodySize];
"""


def configuration():
    """Branches and readers besides those of the day; nobody answers for the readers."""
    branches = "".join(f'[branches.b{at:03}]\nname = "第{at}支行"\n\n' for at in range(BRANCHES - 2))
    readers = "".join(
        f'[readers.r{at:04}]\ndriver = "mercury4"\nbranch = "b{at % (BRANCHES - 2):03}"\n'
        f'address = "127.0.0.1:9"\ntime_out = "100ms"\nantennas = {{{{ 1 = "door", 2 = "hall" }}}}\n\n'
        for at in range(READERS - 3))
    names = ", ".join(f'"r{at:04}"' for at in range(READERS - 3))
    pipeline = f'[pipelines.centre]\nreaders = [{names}]\nsinks = ["customers"]\n'
    return branches + readers + pipeline


def main():
    host, work = sys.argv[1], sys.argv[2]
    bank_day.CONFIGURATION += configuration()
    bank = Bank(host, work)
    bank.open()
    try:
        bank.set_up()
        bank.staff()
        central = bank.person("CS1")
        options = webdriver.ChromeOptions()
        for argument in ["--headless=new", "--no-sandbox", "--disable-quic", "--disable-background-networking",
                         "--window-size=3840,2160"]:
            options.add_argument(argument)
        with webdriver.Chrome(options, Service("/usr/bin/chromedriver")) as page:
            address = "http://{}:{}/".format(*bank.http)
            page.get(address)
            page.find_element(By.NAME, "staff_number").send_keys("CS1")
            page.find_element(By.NAME, "password").send_keys(bank_day.PASSWORD)
            page.find_element(By.NAME, "digits").send_keys(central.digits())
            page.find_element(By.CSS_SELECTOR, "main button.primary").click()
            WebDriverWait(page, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".branch"))
            took = []
            for _ in range(TIMES):
                page.get("about:blank")
                page.get(f"{address}centre")
                WebDriverWait(page, 30).until(lambda page: page.execute_script(TOOK)[0] > 0)
                took.append(page.execute_script(TOOK))
            tiles = len(page.find_elements(By.CSS_SELECTOR, ".branch"))
        at = lambda place: [one[place] for one in took]
        print(f"{tiles} branches, {READERS} readers, {took[0][3] // 1000} kB; {TIMES} times")
        for what, place in [("first paint", 0), ("page received", 1), ("page whole", 2)]:
            print(f"{what}: median {statistics.median(at(place)):.0f} ms, most {max(at(place)):.0f} ms")
    finally:
        bank.close()


if __name__ == "__main__":
    main()
