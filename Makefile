# Every command works from a bare checkout: it makes .venv first.
PORT ?= 8000
# Of the demo, unless PORT= names another.
DEMO_PORT := $(if $(filter file,$(origin PORT)),8010,$(PORT))
PY := .venv/bin/python
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile --quiet --generate-hashes \
	--no-emit-index-url --python-version 3.11

.PHONY: help run demo quick test test-long check bench roles shots lock

help:
	@echo "make run     the console on http://127.0.0.1:$(PORT) (PORT=8001 for another port)"
	@echo "make demo    a demo on http://127.0.0.1:$(DEMO_PORT): a week of mail, and nothing leaves this machine (KEEP=1: as you left it)"
	@echo "make quick   the tests that need no real service: 90 seconds, and installs nothing but .venv"
	@echo "make test    all tests (scripts/test -k queue for some)"
	@echo "make test-long  the tests of kills and faults once more, with all of them"
	@echo "make check   linters, types, migrations, deployment settings, API schema"
	@echo "make bench   speed and memory, beside the peers"
	@echo "make roles   the tables of docs/roles.md"
	@echo "make shots   the pictures of the documentation, from the demo"
	@echo "make lock    pin requirements*.txt again from requirements*.in"

run:
	@scripts/bootstrap requirements.txt
	@$(PY) manage.py firstrun --port $(PORT)
	@exec $(PY) manage.py up --port $(PORT)

demo:
	@scripts/bootstrap requirements.txt
	@exec $(PY) -m demo --port $(DEMO_PORT) $(if $(KEEP),--keep)

quick:
	@scripts/test quick

test:
	@scripts/test

test-long:
	@scripts/test long

check:
	@scripts/check

bench:
	@scripts/bootstrap requirements-dev.txt
	@$(PY) -m bench

roles:
	@scripts/bootstrap requirements-dev.txt
	@DJANGO_SETTINGS_MODULE=tests.settings $(PY) -c "import django; django.setup(); from tests import rolespage; rolespage.main()"

shots:
	@scripts/bootstrap requirements-dev.txt
	@scripts/shots

lock:
	@scripts/bootstrap requirements-dev.txt
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
