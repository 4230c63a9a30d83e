"""An inventory by sllurp, of an emulated LLRP reader that is started for it.

    inventory.py PATH_OF_RFID_HOST PROFILE
"""

import re
import subprocess
import sys
import tempfile
import threading

from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig

LIMIT = 60

# One of 96 bits, one of another length, before two antennas.
SCENARIO = """
[[tag]]
epc = "300833b2ddd9014000000001"

[[tag]]
epc = "300833b2ddd90140000000020001"
antenna = 2
"""
EXPECTED = {("300833b2ddd9014000000001", 1), ("300833b2ddd90140000000020001", 2)}


def inventory(host, port, impinj):
    config = LLRPReaderConfig({
        "antennas": [1, 2],
        "report_every_n_tags": 1,
        "session": 1,
        "keepalive_interval": 200,
        "impinj_reports": impinj,
    })
    config.tag_content_selector["EnableAntennaID"] = True
    config.validate_config()
    seen, enough = set(), threading.Event()

    def report(_reader, tags):
        for tag in tags:
            epc = tag.get("EPC") or tag["EPC-96"]
            epc = epc.decode() if isinstance(epc, bytes) else epc
            seen.add((epc.lower(), tag["AntennaID"]))
        if EXPECTED <= seen:
            enough.set()

    reader = LLRPReaderClient(host, port, config)
    reader.add_tag_report_callback(report)
    reader.connect()
    heard = enough.wait(LIMIT)
    reader.disconnect()
    reader.join(LIMIT)
    assert heard, f"only {seen} was reported"
    assert seen == EXPECTED, seen


def main():
    host, profile = sys.argv[1:]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as scenario:
        scenario.write(SCENARIO)
        scenario.flush()
        emulator = subprocess.Popen(
            [host, "emulate", "llrp", "--listen", "127.0.0.1:0", "--profile", profile, "--scenario", scenario.name],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            port = int(re.search(r"listens on 127\.0\.0\.1:(\d+)", emulator.stdout.readline())[1])
            inventory("127.0.0.1", port, impinj=profile == "r420")
        finally:
            emulator.terminate()
            emulator.wait(LIMIT)
    print(f"sllurp read {len(EXPECTED)} tags of an emulated {profile}")


main()
