#!/bin/sh
# tools/debian-packages.sh rabbitmq|postgresql|softhsm|haproxy|openssl|curl|chromium|systemd-analyze ...
# Installs what is missing of the programs that the tests start, from the distribution's packages,
# as root or through sudo. The packages' services are neither started nor enabled: the tests start
# servers of their own. Where nothing is missing this does nothing, and quickly.
set -eu

is_there() {
    case $1 in
        rabbitmq) ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server ;;
        postgresql) ls /usr/lib/postgresql/*/bin/initdb ;;
        softhsm) command -v softhsm2-util && ls /usr/lib/softhsm/libsofthsm2.so ;;
        chromium) command -v chromium && command -v chromedriver ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

packages_of() {
    case $1 in
        rabbitmq) echo rabbitmq-server ;;
        softhsm) echo softhsm2 ;;
        chromium) echo chromium chromium-driver ;;
        systemd-analyze) echo systemd ;;
        *) echo "$1" ;;
    esac
}

services_of() {
    case $1 in
        # `epmd` comes along with Erlang; who had it before wanted it.
        rabbitmq)
            echo rabbitmq-server.service
            command -v epmd >/dev/null || echo epmd.service epmd.socket
            ;;
        postgresql) echo postgresql.service ;;
        haproxy) echo haproxy.service ;;
    esac
}

missing= packages= services=
for program in "$@"; do
    if ! is_there "$program"; then
        missing="$missing $program"
        packages="$packages $(packages_of "$program")"
        services="$services $(services_of "$program")"
    fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Missing:$missing. Only Debian's packages are known here:$packages." >&2
    exit 1
elif [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Missing:$missing. Run as root: apt-get install$packages" >&2
        exit 1
    fi
    echo "Missing:$missing. Installing$packages by sudo."
    exec sudo -- "$0" "$@"
fi

policy=/usr/sbin/policy-rc.d
cluster_settings=/etc/postgresql-common/createcluster.conf
kept=$(mktemp -d)
policy_is_ours=

clean_up() {
    [ -z "$policy_is_ours" ] || rm -f "$policy"
    [ ! -e "$kept/createcluster.conf" ] || cp -p "$kept/createcluster.conf" "$cluster_settings"
    rm -rf "$kept"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A machine that has just started may be updating itself: then this waits for its turn.
wait_for_lock="-o DPkg::Lock::Timeout=600"

install_packages() {
    # shellcheck disable=SC2086 # two words
    DEBIAN_FRONTEND=noninteractive apt-get $wait_for_lock install -q -y --no-install-recommends "$@"
}

# Debian asks this file before a package starts its service; 101 means "not allowed".
if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# shellcheck disable=SC2086
apt-get $wait_for_lock update -q

# Left alone, the package makes a database cluster that starts with the machine.
case " $missing " in
    *" postgresql "*)
        install_packages postgresql-common
        if [ -e "$cluster_settings" ]; then
            cp -p "$cluster_settings" "$kept/createcluster.conf"
            echo "create_main_cluster = false" >>"$cluster_settings"
        fi
        ;;
esac

# shellcheck disable=SC2086 # several words each
install_packages $packages

if [ -n "$services" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086
    systemctl --quiet disable $services || true
fi

for program in $missing; do
    if ! is_there "$program"; then
        echo "Installed$packages, yet $program is not where it is looked for." >&2
        exit 1
    fi
done
