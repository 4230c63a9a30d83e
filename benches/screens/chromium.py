"""A real browser: one in which somebody has logged in, and how long a page takes in it."""

import bank as bank_day
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By


def logged_in(bank, number, size, digits=None):
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-quic", "--disable-background-networking",
                     f"--window-size={size}"]:
        options.add_argument(argument)
    page = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    page.get("http://{}:{}/".format(*bank.http))
    page.find_element(By.NAME, "staff_number").send_keys(number)
    page.find_element(By.NAME, "password").send_keys(bank_day.PASSWORD)
    if digits:
        page.find_element(By.NAME, "digits").send_keys(digits)
    page.find_element(By.CSS_SELECTOR, "main button.primary").click()
    return page


def first_paint(page, address):
    """Milliseconds until the page is there and until it is painted."""
    page.get(address)
    bank_day.until("the paint", lambda: page.execute_script(
        "return performance.getEntriesByName('first-contentful-paint').length"))
    return page.execute_script(
        "return [performance.getEntriesByType('navigation')[0].responseEnd, "
        "performance.getEntriesByName('first-contentful-paint')[0].startTime]")
