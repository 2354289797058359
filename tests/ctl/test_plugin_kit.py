# SPDX-License-Identifier: Apache-2.0
"""plugin test: every shipped plugin withstands it, and the one that misbehaves is found out, whatever it does."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

BUILD = pathlib.Path(os.environ.get("CS_BUILDDIR", "."))
# Some are not shipped: misbehave is what must be found out.
SHIPPED = sorted(file.stem for file in (BUILD / "plugins/.libs").glob("*.so") if file.stem != "misbehave")
NOBODY = "https://127.0.0.1:9"  # nobody answers there: nothing here needs a network
# Nothing here is about time, and recovery computes for long: a machine that is busy with other tests is no fault of theirs.
PATIENTLY = "deadline 20s"
# What cannot be invented, or would reach the real provider; {tmp} is a directory with keys, {open} one that others can read.
WITH = {
    "alipay": ['set private-key file "{tmp}/rsa.pem"', 'set alipay-public-key "{public}"', f'set authorize-url "{NOBODY}/a"', f'set gateway-url "{NOBODY}/g"'],
    "apple": ['set private-key file "{tmp}/ec.pem"', 'set team-id "ABCDE12345"', 'set key-id "ABCDE12345"', f'set issuer "{NOBODY}"'],
    "google": [f'set authorization-endpoint "{NOBODY}/a"', f'set token-endpoint "{NOBODY}/t"', f'set jwks-uri "{NOBODY}/k"'],
    "microsoft": [f'set authority "{NOBODY}"', 'set allow-tenant any'],
    "oauth2": [f'set jwks-uri "{NOBODY}/k"'],
    "otp": ["set channel sms", f'set gateway "{NOBODY}/send"'],
    "pam": ["set service login", 'set directory "{open}"', 'cage {{ processes yes read "{open}" }}'],
    "wechat": [f'set authorize-url "{NOBODY}/a"', f'set api-url "{NOBODY}"'],
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A directory with a private key of each sort that a provider gives its clients."""
    directory = tmp_path_factory.mktemp("keys")
    rsa, ec = ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for name, options in (("rsa.pem", rsa), ("theirs.pem", rsa), ("ec.pem", ec)):
        subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", directory / name], check=True, capture_output=True)
        (directory / name).chmod(0o600)
    pem = subprocess.run(["openssl", "pkey", "-in", directory / "theirs.pem", "-pubout"], check=True, capture_output=True, text=True).stdout
    (directory / "theirs.pub").write_text("".join(pem.splitlines()[1:-1]))
    return directory


@pytest.fixture(scope="module")
def services():
    """A directory with a PAM service that refuses everybody, which a worker of another user can read."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="cs."))
    directory.chmod(0o755)
    (directory / "login").write_text("auth required pam_deny.so\n")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def attempt(run, build, keys, services):
    """attempt(plugin, lines..., kind=None) -> (exit code, the report)."""
    def call(plugin, *lines, kind=None):
        lines = [line.format(tmp=keys, open=services, public=(keys / "theirs.pub").read_text()) for line in lines]
        done = run("plugin", "test", build / f"plugins/.libs/{plugin}.so", "--libexec", build, "--json",
                   *(word for line in lines for word in ("--with", line)), *(["--kind", kind] if kind else []))
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)
    return call


def rows(report, state="failed"):
    return {row["tried"]: row["answer"] for row in report["trials"] if row["state"] == state}


@pytest.mark.parametrize("plugin", SHIPPED)
def test_what_is_shipped_withstands_everything(attempt, plugin):
    code, report = attempt(plugin, *WITH.get(plugin, []), PATIENTLY)
    assert rows(report) == {} and report["good"] and code == 0
    assert report["passed"] >= 9 and report["plugin"] == plugin
    tried = rows(report, "passed")
    assert {"loads, and tests itself", "starts in its cage", "does not grow with the calls", "leaves no process behind",
            "keeps secrets out of the log", "ends when it is told to"} <= set(tried) | set(rows(report, "skipped"))


def test_something_is_shipped():
    assert {"oidc", "totp", "webauthn", "otp"} <= set(SHIPPED)


URL, TOKEN = "sends browsers to an https address, and nothing slips into it", "believes no ID token that nobody signed"
ENROL, ANSWER = "enrols two accounts, each with a secret of its own", "takes no wrong answer to a challenge"
SCORE, NOTICE = "scores everything from 0 to 100", "withstands every notice"


@pytest.mark.parametrize("kind, behaviour, tried, why", [
    ("provider", "honest", TOKEN, "it named the subject"),
    ("provider", "honest", "believes no code that nobody gave", "it named the subject"),
    ("provider", "honest", URL, "does not name the client id"),
    ("provider", "crash", URL, "its process ended (signal=11)"),
    ("provider", "exit", TOKEN, "its process ended (status=0)"),
    ("provider", "garbage", URL, "its answer is malformed"),
    ("provider", "overflow", URL, "its answer is malformed"),
    ("provider", "nonsense", TOKEN, "its answer is malformed"),
    ("provider", "lie_request", URL, "it answered another request than it was asked"),
    ("provider", "refuse", URL, "it refused: bad_token"),
    ("factor", "honest", ENROL, "two accounts got the same secret"),
    ("factor", "lie_verdict", ANSWER, "it took this for the right answer"),
    ("factor", "lie_verdict", "ends no enrolment by a wrong answer", "it took this for the right answer"),
    ("factor", "lie_secret", ANSWER, "it took this for the right answer"),
    ("factor", "lie_rests", ANSWER, "it took this for the right answer"),
    ("factor", "lie_word", ANSWER, "its answer is malformed"),
    ("factor", "lie_state", ANSWER, "its answer is malformed"),
    ("factor", "lie_more", ANSWER, "its answer is malformed"),
    ("factor", "lie_passkey", ANSWER, "its answer is malformed"),
    ("risk", "lie_score", SCORE, "its answer is malformed"),
    ("risk", "lie_low", SCORE, "its answer is malformed"),
    ("risk", "crash", SCORE, "its process ended (signal=11)"),
    ("notify", "garbage", NOTICE, "its answer is malformed"),
    ("notify", "lie_request", NOTICE, "it answered another request"),
    ("notify", "hang", NOTICE, "passed its deadline, killed"),
])
def test_what_misbehaves_is_found_out(attempt, kind, behaviour, tried, why):
    code, report = attempt("misbehave", f"set behaviour {behaviour}", kind=kind)
    failed = rows(report)
    assert code == 5 and not report["good"] and why in failed.get(tried, ""), failed


@pytest.mark.parametrize("start, why", [("crash", "its process died while it started (signal=6)"), ("fail", "told to fail by the key start")])
def test_one_that_does_not_start_says_why(attempt, start, why):
    code, report = attempt("misbehave", f"set start {start}", kind="risk")
    assert code == 5 and why in rows(report)["starts in its cage"]


def test_a_good_report_reads_as_a_table(run, build):
    done = run("plugin", "test", build / "plugins/.libs/totp.so", "--libexec", build)
    assert done.returncode == 0 and done.stdout.startswith("totp ") and "TRIED" in done.stdout
    assert " failed" not in done.stdout.split("\n\n")[1] and ", 0 failed, " in done.stdout.splitlines()[-1]


def test_what_is_wrong_with_the_question(run, build, tmp_path):
    totp = build / "plugins/.libs/totp.so"
    done = run("plugin", "test", totp, "--libexec", build, "--kind", "provider")
    assert done.returncode == 2 and "is no provider" in done.stderr
    done = run("plugin", "test", totp, "--libexec", build, "--with", "set digits 99")
    assert done.returncode == 5 and "digits must be a whole number from 6 to" in done.stdout
    done = run("plugin", "test", totp, "--libexec", build, "--with", "frobnicate 1")
    assert done.returncode == 5 and "unknown option" in done.stdout
    done = run("plugin", "test", totp, "--libexec", build, "--with", "deadline soon")
    assert done.returncode == 5 and "deadline must be a number with a unit" in done.stdout
    (tmp_path / "no.so").write_text("no plugin")
    assert run("plugin", "test", tmp_path / "no.so", "--libexec", build).returncode == 5
    assert "--libexec" in run("plugin", "test", totp, "--libexec", "/nonexistent").stderr


def test_what_fails_is_not_installed(run, build, tmp_path):
    (tmp_path / "plugins").mkdir(mode=0o755)
    words = [build / "plugins/.libs/misbehave.so", "--plugins", tmp_path / "plugins", "--libexec", build]
    done = run("plugin", "install", *words)
    assert done.returncode == 5 and "it was not installed" in done.stderr and list((tmp_path / "plugins").iterdir()) == []
    done = run("plugin", "install", *words, "--untested")
    assert done.returncode == 0 and [file.name for file in (tmp_path / "plugins").iterdir()] == ["misbehave.so"]


def test_nothing_is_left_behind(run, build):
    before = set(pathlib.Path("/tmp").glob("countersign-*"))
    run("plugin", "test", build / "plugins/.libs/webhook.so", "--libexec", build)
    assert not {file for file in pathlib.Path("/tmp").glob("countersign-*") if file not in before and file.exists()
                and file.stat().st_uid == os.geteuid() and file.is_file()}


ACTS = """#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <countersign/plugin.h>

static const struct countersign_config_key keys[] = {{.name = "act", .type = COUNTERSIGN_CONFIG_WORD,
    .words = "nothing fork connect open memory kill", .default_value = "nothing", .help = "What assess() tries."}};
static const struct countersign_host_v1 *host;
static volatile char *kept;

#ifdef EARLY
/* Whoever only looks at it runs this. */
__attribute__((constructor)) static void
before_anything(void)
{
	(void)!open("MADE", O_WRONLY | O_CREAT, 0666);
	if (fork() == 0)
		(void)!open("MADE", O_WRONLY | O_CREAT, 0666), _exit(0);
}
#endif

static int
self_test(const struct countersign_host_v1 *h)
{
	(void)h;
	return COUNTERSIGN_OK;
}

static int
init(const struct countersign_host_v1 *h, void **instance)
{
	host = h;
	*instance = NULL;
	return COUNTERSIGN_OK;
}

static int
profile(void *instance, struct countersign_profile *out)
{
	(void)instance;
	out->controls = NULL;
	return COUNTERSIGN_OK;
}

static int
assess(void *instance, const struct countersign_assess *in, struct countersign_assessment *out)
{
	struct countersign_view act = host->config_text(host->context, "act", 0);
	int did = 0;

	(void)instance;
	if (act.data[0] == 'f')
		did = fork() >= 0;
	else if (act.data[0] == 'c')
		did = socket(AF_INET, SOCK_STREAM, 0) >= 0;
	else if (act.data[0] == 'o')
		did = open("MADE.secret", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0;
	else if (act.data[0] == 'k')
		did = kill(getppid(), 9) == 0;
	else if (act.data[0] == 'm')
		for (int i = 0; i < 64 && !did; i++) {
			kept = malloc(1 << 28);
			did = i == 63 && kept != NULL;
		}
	out->score = did ? 4711 : 0;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_risk_v1 risk = {.size = sizeof(risk), .assess = assess};
	static const struct countersign_plugin_v1 plugin = {.size = sizeof(plugin), .abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_RISK, .config_count = 1, .config_key_size = sizeof(keys[0]), .config = keys, .name = "acts",
		.version = "1", .help = "Tries what it must not.", .self_test = self_test, .init = init, .profile = profile, .risk = &risk};

	return &plugin;
}
"""


@pytest.fixture(scope="module")
def acts(tmp_path_factory, source):
    """A plugin that tries what the cage forbids; beside it a file that is not for it."""
    directory = tmp_path_factory.mktemp("acts")
    (directory / "acts.c").write_text(ACTS.replace("MADE", str(directory / "made")))
    (directory / "made.secret").write_text("secret\n")
    for name, more in (("acts.so", []), ("early.so", ["-DEARLY"])):
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", *more, f"-I{source}/include", "-o", directory / name, directory / "acts.c"], check=True)
    return directory / "acts.so"


@pytest.fixture(scope="module")
def sanitized(build):
    return b"__asan_" in (build / "countersign-worker").read_bytes()


def has_landlock():
    try:
        return "landlock" in pathlib.Path("/sys/kernel/security/lsm").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("act, said", [("fork", "call="), ("connect", "call=socket"), ("open", None), ("memory", None), ("kill", "call=kill")])
def test_what_the_cage_forbids_is_named_or_does_not_work(run, build, acts, sanitized, act, said):
    """What ends the process is told by the name of its system call; what merely fails is nothing to be told."""
    if sanitized and act != "connect":
        pytest.skip("a sanitizer needs this call itself")
    done = run("plugin", "test", acts, "--libexec", build, "--json", "--with", f"set act {act}")
    report = json.loads(done.stdout)
    if said is None:
        assert done.returncode == 0 and rows(report) == {}
    else:
        assert done.returncode == 5 and said in rows(report)[SCORE], rows(report)


def test_who_only_looks_at_a_plugin_runs_it_in_a_cage_too(run, build, acts, sanitized):
    early = acts.with_name("early.so")
    assert run("plugin", "check", early, "--libexec", build).returncode == 0
    assert sanitized or "call=" in run("plugin", "test", early, "--libexec", build).stdout
    if os.geteuid() != 0 and not has_landlock():
        pytest.skip("nothing on this kernel keeps files from one's own user")
    assert sorted(file.name for file in acts.parent.iterdir()) == ["acts.c", "acts.so", "early.so", "made.secret"]
