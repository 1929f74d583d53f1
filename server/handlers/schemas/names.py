"""What variables may be called, and what parameters of commands may not."""

import re

from marshmallow import ValidationError

PARAMETER_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")

OWN_PREFIX = "TAILRUN_"
LOADING = frozenset(
    {
        *("PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PS4"),
        *("CDPATH", "PROMPT_COMMAND", "ZDOTDIR", "FPATH", "GCONV_PATH", "LOCPATH", "NLSPATH"),
        *("GLIBC_TUNABLES", "HOSTALIASES", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
        *(
            "MAKEFLAGS",
            "MAKEFILES",
            "GNUMAKEFLAGS",
            "TAR_OPTIONS",
            "RSYNC_RSH",
            "RSYNC_CONNECT_PROG",
        ),
        *("SSH_ASKPASS", "SUDO_ASKPASS", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN"),
        *("LESSCLOSE", "BROWSER", "AWKPATH", "AWKLIBPATH", "CLASSPATH", "PHPRC", "TCLLIBPATH"),
        *("XDG_CONFIG_HOME", "CURL_HOME", "WGETRC"),
    }
)
LOADING_PREFIXES = (
    *("LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "GEM_", "BUNDLE_", "NODE_", "NPM_CONFIG_"),
    *("JAVA_", "JDK_", "LUA_", "PHP_INI_", "DOTNET_", "R_PROFILE", "GIT_", "BASH_"),
)
"""Variables that say which code a program loads: whoever starts a command may not choose that."""

SHELLS = frozenset(
    {
        *(
            "PWD",
            "OLDPWD",
            "SHLVL",
            "PPID",
            "UID",
            "EUID",
            "GROUPS",
            "RANDOM",
            "SRANDOM",
            "SECONDS",
        ),
        *(
            "LINENO",
            "OPTIND",
            "OPTARG",
            "HISTCMD",
            "DIRSTACK",
            "FUNCNAME",
            "PIPESTATUS",
            "COMP_WORDS",
        ),
        *("EPOCHSECONDS", "EPOCHREALTIME"),
    }
)
"""Variables that a shell sets itself: a value would be lost, and nobody told."""


def parameter_name(name: str) -> None:
    """Refuse what no parameter may be called."""
    if not PARAMETER_NAME.match(name):
        raise ValidationError("It takes A-Z, 0-9 and _, with a letter first: up to 100, as in DAY.")
    not_ours(name)
    if name in LOADING or name.startswith(LOADING_PREFIXES):
        raise ValidationError(
            f"It must not be {name}: that variable says which code programs load. Name it"
            " otherwise, or set it in `environment`."
        )
    if name in SHELLS:
        raise ValidationError(
            f"It must not be {name}: a shell sets that variable itself. Name it otherwise."
        )


def not_ours(name: str) -> None:
    """Refuse the names of Tailrun's own variables."""
    if name.startswith(OWN_PREFIX):
        raise ValidationError(f"Names that begin with {OWN_PREFIX} are Tailrun's own.")
