# Every command works from a bare checkout: it creates .venv first.
PORT ?= 8000
# The port of the demo, unless PORT= sets another.
DEMO_PORT := $(if $(filter file,$(origin PORT)),8010,$(PORT))
PY := .venv/bin/python
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile --quiet --generate-hashes \
	--no-emit-index-url --python-version 3.11

.PHONY: help run demo quick test test-long check audit sbom fuzz bench torture roles shots lock

help:
	@echo "make run     run the console on http://127.0.0.1:$(PORT) (PORT=8001 for another port)"
	@echo "make demo    run a demo on http://127.0.0.1:$(DEMO_PORT) with a week of mail; nothing leaves this machine (KEEP=1 keeps your changes, MAILSERVER=1 adds a mail server on Docker)"
	@echo "make quick   run the tests that need neither a real service nor long; takes 90 seconds and installs nothing but .venv"
	@echo "make test    run all tests (scripts/test -k queue runs some)"
	@echo "make test-long  run the tests of kills and faults again, with every kill and fault"
	@echo "make check   check linters, types, migrations, deployment settings and the API schema"
	@echo "make audit   ask PyPI for known vulnerabilities of the pinned packages"
	@echo "make sbom    write the packages that Quazzar runs with to sbom.cdx.json (CycloneDX)"
	@echo "make fuzz    try made-up requests and inputs for SECONDS=600 (SEED=1 tries the same again; WHAT='api spf' some of it)"
	@echo "make bench   measure speed and memory, compared with similar products (make bench sending queue: only these tables)"
	@echo "make torture  break real parts at random and check that nothing is lost (SEED=5 ROUNDS=100 FROM=1 MODES=relay-sqlite)"
	@echo "make roles   write the tables of docs/roles.md"
	@echo "make shots   take the screenshots for the documentation from the demo"
	@echo "make lock    pin requirements*.txt from requirements*.in"

run:
	@scripts/bootstrap requirements.txt
	@$(PY) manage.py firstrun --port $(PORT)
	@exec $(PY) manage.py up --port $(PORT)

demo:
	@scripts/bootstrap requirements.txt
	@exec $(PY) -m demo --port $(DEMO_PORT) $(if $(KEEP),--keep) $(if $(MAILSERVER),--mail-server)

quick:
	@scripts/test quick

test:
	@scripts/test

test-long:
	@scripts/test long

check:
	@scripts/check

audit:
	@scripts/bootstrap requirements-dev.txt
	@$(PY) scripts/audit.py

sbom:
	@scripts/bootstrap requirements-dev.txt
	@$(PY) scripts/audit.py sbom

# atheris has no wheels for some machines, so it is not among the dependencies; without it that part is left out.
fuzz:
	@scripts/bootstrap requirements-dev.txt
	@$(PY) -c "import atheris" 2>/dev/null || $(PY) -m uv pip install --quiet atheris==3.0.0 || true
	@$(PY) -m tests.fuzz --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED)) $(if $(CORPUS),--corpus $(CORPUS)) $(WHAT)

# `make bench sending queue` measures only these tables: what follows `bench` is no target then.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
TABLES := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(TABLES)
$(eval $(TABLES):;@:)
endif

bench:
	@scripts/bootstrap requirements-dev.txt
	@$(PY) -m bench $(TABLES)

torture:
	@scripts/bootstrap requirements-dev.txt
	@scripts/services
	@exec $(PY) -m tests.torture --rounds $(or $(ROUNDS),10) --from $(or $(FROM),1) $(if $(SEED),--seed $(SEED)) $(if $(MODES),--modes $(MODES)) $(if $(LOG),--log $(LOG))

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
	@$(COMPILE) requirements-audit.in -o requirements-audit.txt
