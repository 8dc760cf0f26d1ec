"""A node is installed as the page on deploying says, on a machine that boots systemd for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import booted
from tests.docs.markdown import CHECKOUT, page
from tests.docs.test_readme import NOT_IN_A_CLONE
from tests.support.programs import find, system_python

PAGE = page("docs/operations/deploying.md")

FUNCTIONS = r"""
eventually() {
    for _ in $(seq 300); do
        if "$@"; then return; fi
        sleep 0.1
    done
    return 1
}
state() { systemctl show --value --property "$1" marconi-server; }
is() { [[ $(state "$1") = "$2" ]]; }
journal_has() { journalctl --unit marconi-server | grep --quiet "$1"; }
is_healthy() { curl -sf --max-time 10 "$@" "$NODE/v1/health"; }
NODE=http://192.0.2.11:8888
MESSAGES=$NODE/v1/queues/q/messages
post_one() {
    curl -sf -X PUT "$NODE/v1/queues/q"
    curl -sf "$MESSAGES" -H 'Client-ID: one' -d '[{"ttl": 300, "body": "kept"}]'
}
has_the_message() { curl -sf "$MESSAGES" -H 'Client-ID: other' | grep --quiet '"body": "kept"'; }
is_logged() { is_healthy && journal_has 'GET /v1/health'; }
has_no_other_warning() {
    test -z "$(journalctl --unit marconi-server --grep 'WARNING|ERROR' --quiet | grep -Fv \
        -e 'Authentication is off, and 192.0.2.11 is not this machine alone' \
        -e 'storage of [drivers] is set 2 times; the last one counts' \
        -e '[drivers:storage:sqlite] has no effect: storage of [drivers] is mongodb')"
}
answers_with() { test "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8888/)" = "$1"; }
"""


def blocks(language: str, heading: str) -> list[str]:
    return [
        block.text
        for block in PAGE.blocks()
        if (block.language, block.heading) == (language, heading)
    ]


@pytest.fixture
def work(tmp_path: Path, mongod: Path) -> Path:
    """Give the files for the machine: a clone, and the packages, since it has no network."""
    booted.require_one()
    find("haproxy")
    find("nginx")
    python = system_python(booted.PATH)
    work = tmp_path / "work"
    shutil.copytree(CHECKOUT, work / "clone", ignore=NOT_IN_A_CLONE)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "wheel", "--quiet"),
            *("--wheel-dir", work / "packages", work / "clone", "setuptools>=77"),
        ],
        check=True,
    )
    shutil.copy(mongod, work)
    return work


@pytest.mark.seconds(100)
def test_the_page_makes_a_service(work: Path) -> None:
    packages, install, user, check, unit, look, health = blocks("sh", "Install a node")
    assert packages.startswith("apt-get install ")
    (options,) = blocks("ini", "Install a node")
    haproxy, nginx = blocks("sh", "A balancer in front")
    certificate = blocks("sh", "TLS")[0]
    (upgrade,) = blocks("sh", "Upgrade without a gap")
    script = f"""
{FUNCTIONS}
ip address add 192.0.2.11/32 dev lo
cd clone

: Install a node
{install}
{user}
cat >> /etc/marconi/marconi.conf <<'END'
{options}
[drivers]
storage = sqlite
[drivers:storage:sqlite]
database = /var/lib/marconi/marconi.db
END
{check}
{unit}
{look}
{health}
is ActiveState active
is UnitFileState enabled
test "$(stat -c %U /proc/$(state MainPID))" = marconi
test "$(stat -c %U:%a /var/lib/marconi)" = marconi:750
post_one

: Reload
sed -i 's/^workers = 4$/&\\naccess_log = true/' /etc/marconi/marconi.conf
systemctl reload marconi-server
eventually is_logged

: Killed
kill -9 "$(state MainPID)"
eventually is NRestarts 1
eventually is ActiveState active
has_the_message

: Upgraded
{upgrade}
has_the_message

: Stopped
systemctl stop marconi-server
is Result success
is ExecMainStatus 0
is ActiveState inactive

: Balancers
systemctl start haproxy
{haproxy}
eventually answers_with 503
test -S /run/haproxy/admin.sock
systemctl stop haproxy
systemctl start nginx
{nginx}
eventually answers_with 502
systemctl stop nginx

: MongoDB
mkdir /work/data
/work/mongod --fork --dbpath /work/data --logpath /work/data/log --replSet marconi \
    --bind_ip 127.0.0.1 --oplogSize 16 --wiredTigerCacheSizeGB 0.25
/opt/marconi/bin/python - <<'END'
from pymongo import MongoClient
members = [{{"_id": 0, "host": "127.0.0.1"}}]
with MongoClient(directConnection=True) as client:
    client.admin.command("replSetInitiate", {{"_id": "marconi", "members": members}})
END
cat >> /etc/marconi/marconi.conf <<'END'
[drivers]
storage = mongodb
[drivers:storage:mongodb]
uri = mongodb://127.0.0.1/?replicaSet=marconi
END
is_ready() {{ runuser -u marconi -- marconi-server check --config-file /etc/marconi/marconi.conf; }}
eventually is_ready
systemctl start marconi-server
post_one
has_the_message
systemctl stop marconi-server
has_no_other_warning

: TLS
{certificate}
sed -i 's|^workers = 4$|&\\ncert_file = /etc/marconi/cert.pem\\nkey_file = /etc/marconi/key.pem|' \
    /etc/marconi/marconi.conf
systemctl start marconi-server
NODE=https://localhost:8888
is_healthy --cacert /etc/marconi/cert.pem --connect-to ::192.0.2.11:

: The end, for which mongod would take its time
systemctl stop marconi-server
kill -9 "$(cat /work/data/mongod.lock)"
"""
    environment = "PIP_NO_INDEX=1 PIP_FIND_LINKS=/work/packages PIP_CONFIG_FILE=/dev/null"
    output = booted.boot(work, script, environment)
    assert "Active: active (running)" in output
    assert "HTTP/1.1 204 No Content" in output


def test_ci_installs_what_the_page_installs() -> None:
    """It has to be there for the packages to be built, and a machine without network lacks it."""
    installed = re.findall(r"missing\+=\((.*?)\)", (CHECKOUT / ".ci" / "run").read_text())
    packages = blocks("sh", "Install a node")[0].removeprefix("apt-get install ").split()
    assert set(packages) <= set(" ".join(installed).split())
