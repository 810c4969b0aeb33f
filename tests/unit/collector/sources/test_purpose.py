"""What a process is for: learned from a program's place in argv, never guessed from elsewhere."""

import pytest

from collector.sources.interpreters import find_interpreter
from collector.sources.purpose import derive_identity, executable_name, systemd_unit

UNIT = "0::/system.slice/patient-data-service.service\n"


@pytest.mark.parametrize(
    ("command", "identity"),
    [
        ("java -cp x -Dfoo=bar com.bank.PaymentGateway arg", "com.bank.PaymentGateway"),
        ("java -Xmx1g -jar /opt/x/patient-data-service.jar --port 1", "patient-data-service"),
        ("java -classpath a:b --add-opens java.base/java.lang=ALL-UNNAMED Ledger", "Ledger"),
        ("java --add-modules=ALL-SYSTEM -m bank.ledger/bank.Main", "bank.ledger/bank.Main"),
        ("java -javaagent:/a.jar=k=v -XX:+UseG1GC -ea Ledger", "Ledger"),
        ("python3.11 -W error -m patient_sync", "patient_sync"),
        ("python3 -X dev -u /srv/patient-data-service.py --password=x", "patient-data-service"),
        ("python3 -Impatient_sync", "patient_sync"),
        ("python -Wignore -O -- job.py", "job"),
        ("pypy3 job.py", "job"),
        ("python3 /opt/patient-data-service/app.py", "patient-data-service/app"),
        ("python3 /opt/patient-data-service/src/main.py", "patient-data-service/main"),
        ("node --require x billing.js", "billing"),
        ("node -r x --inspect=0.0.0.0 --max-old-space-size=99 billing.mjs", "billing"),
        ("nodejs --enable-source-maps /srv/claims-api/dist/index.js", "claims-api/index"),
        ("ruby3.1 -I lib -rset -w claims.rb", "claims"),
        ("perl -w -I/x -MPOSIX claims.pl", "claims"),
        ("php8.2 -d memory_limit=1G -c /etc/php.ini claims.php", "claims"),
        ("php -q -f claims.php -- x", "claims"),
        ("dotnet /srv/Claims.Api.dll --urls x", "Claims.Api"),
        ("dotnet exec --runtimeconfig a.json --depsfile b.json Claims.dll", "Claims"),
        ("bash -x -o pipefail /usr/local/bin/backup-service.sh", "backup-service"),
        ("bash --rcfile x backup.sh", "backup"),
        ("sh /opt/log-shipper/run.sh", "log-shipper/run"),
        ("lua5.4 claims.lua", "claims"),
        ("mono Claims.exe", "Claims"),
        ("ld-linux-x86-64.so.2 /opt/payment-gateway-eu x", "payment-gateway-eu"),
        ("busybox sh /opt/backup-service.sh", "backup-service"),
    ],
)
def test_an_interpreter_is_what_it_runs(command: str, identity: str) -> None:
    argv = command.split()
    assert derive_identity(argv[0][:15], f"/usr/bin/{argv[0]}", argv, UNIT) == (identity, "argv")


@pytest.mark.parametrize(
    "command",
    [
        "java",
        "java -version",
        "java @arguments",
        "java --unknown Ledger",
        "java -jar",
        "java -jar /app/app.jar",
        "java -cp x org.springframework.boot.loader.launch.WarLauncher",
        "java -cp x org.apache.catalina.startup.Bootstrap start",
        "python3 -c print(1) log-shipper",
        "python3 -uc print(1) log-shipper",
        "python3 -",
        "python3 -m",
        "python3 -m gunicorn patient:app",
        "python3 /usr/bin/gunicorn patient:app",
        "python3 app.py",
        "python3 -m app.main",
        "python3 --unknown log-shipper",
        "python3 --password=hunter2",
        "python3 p@ss:word!",
        f"python3 {'x' * 129}",
        "node -e 1 log-shipper",
        "node -pe 1 log-shipper",
        "node --token hunter2 app.js",
        "node /usr/lib/node_modules/npm/bin/npm-cli.js start",
        "ruby -ne 1 log-shipper",
        "perl -wne 1 log-shipper",
        "php -r 1 log-shipper",
        "php -S localhost:80 log-shipper",
        "php artisan queue:work",
        "bash",
        "bash -c log-shipper",
        "bash -lc log-shipper x",
        "sh -s log-shipper",
        "bash +o posix",
        "bash /dev/fd/63",
        "dotnet run --project log-shipper",
        "dotnet --unknown log-shipper.dll",
        "php-fpm8.2 -F",
        "beam.smp -W log-shipper",
        "lua -e 1 log-shipper",
        "uwsgi log-shipper",
    ],
)
def test_nothing_is_learned_from_inline_code_launchers_and_doubt(command: str) -> None:
    argv = command.split()
    exe = f"/usr/bin/{argv[0]}"
    assert derive_identity(argv[0][:15], exe, argv) == (argv[0], "interpreter")
    assert derive_identity(argv[0][:15], exe, argv, UNIT) == ("patient-data-service", "systemd")


@pytest.mark.parametrize(
    ("comm", "exe", "argv", "expected"),
    [
        ("payment-gateway", "/opt/payment-gateway-eu", ["x"], ("payment-gateway-eu", "executable")),
        # An argv of its own choice does not rename a binary.
        ("payment-gateway", "/opt/payment-gateway-eu", ["python3", "log.py"],
         ("payment-gateway-eu", "executable")),
        ("nginx", "/usr/sbin/nginx", ["nginx: worker process"], ("nginx", "executable")),
        # Without exe: comm, made whole by an argv[0] that goes on as comm began.
        ("log-shipper", None, ["/opt/log-shipper"], ("log-shipper", "executable")),
        ("process-exporte", None, ["/opt/process-exporter"], ("process-exporter", "argv")),
        ("process-exporte", None, ["payment"], ("process-exporte", "truncated")),
        ("process-exporte", None, ["process-exporter: worker"], ("process-exporte", "truncated")),
        ("process-exporte", None, [], ("process-exporte", "truncated")),
        ("éééééééé"[:7] + "a", None, [], ("éééééééa", "truncated")),
        ("payment-gateway", None, ["payment-gateway"], ("payment-gateway", "argv")),
        ("kthreadd", None, [], ("kthreadd", "executable")),
        ("java", None, [], ("java", "interpreter")),
        ("python3", None, ["python3", "claims.py"], ("claims", "argv")),
        ("MainThread", None, ["/usr/bin/node", "claims.js"], ("claims", "argv")),
        ("crond", "/bin/busybox", ["/usr/sbin/crond", "-f"], ("crond", "executable")),
        ("busybox", "/bin/busybox", [], ("busybox", "unknown")),
        ("", None, [], ("unknown", "unknown")),
        ("bash", "/bin/bash", ["-bash"], ("bash", "interpreter")),
        ("a (b) [c]", "/opt/a (b) [c]", ["x"], ("a (b) [c]", "executable")),
    ],
)  # fmt: skip
def test_a_binary_is_its_executable(
    comm: str, exe: str | None, argv: list[str], expected: tuple[str, str]
) -> None:
    assert derive_identity(comm, exe, argv) == expected


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/payments.service", "payments"),
        ("12:cpu:/x\n1:name=systemd:/system.slice/payments.service\n", "payments"),
        ("0::/system.slice/payments@eu.service/worker", "payments@eu"),
        (r"0::/system.slice/payment\x2dgateway.service", "payment-gateway"),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/claims.service", "claims"),
        ("0::/user.slice/user-1.slice/user@1.service/init.scope", None),
        ("0::/user.slice/user-1.slice/session-3.scope", None),
        ("0::/system.slice/cron.service", None),
        ("0::/system.slice/docker-" + "a" * 64 + ".scope", None),
        ("0::/system.slice/payments.service/docker/" + "a" * 64, None),
        ("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + "a" * 64 + ".scope", None),
        ("0::/", None),
        ("garbage", None),
        ("", None),
    ],
)
def test_a_systemd_unit_names_a_service_and_nothing_else(cgroup: str, unit: str | None) -> None:
    assert systemd_unit(cgroup) == unit


@pytest.mark.parametrize(
    "name",
    ["python3.11", "python2", "php8.2", "ruby3.1", "java", "java-17", "lua5.4", "perl5.36.0"],
)
def test_versions_do_not_hide_an_interpreter(name: str) -> None:
    assert find_interpreter(name) is not None


@pytest.mark.parametrize(
    "name", ["pythonista", "javac", "node_exporter", "nodejs-proxy", "sh-agent"]
)
def test_names_that_only_begin_like_one_are_none(name: str) -> None:
    assert find_interpreter(name) is None


def test_the_executable_name_is_the_path_s_where_there_is_one() -> None:
    assert executable_name("comm", "/a/b", ["c"]) == "b"
    assert executable_name("comm", None, ["c"]) == "comm"
