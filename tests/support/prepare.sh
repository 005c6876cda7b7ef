#!/bin/sh
# Gets what `make test` needs beside Rust, or says in one line what is missing.
#   cc, make, perl           librdkafka and its TLS are built from source
#   java, mvn                the tests start a real Kafka broker and a real S3 server; Maven fetches their jars
#   prometheus, promtool     the tests load the rules and run the dashboard's queries
# As root on a system with apt-get it installs what is missing; otherwise it changes nothing.
set -eu

has_java() { { [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; } || command -v java; }

missing=
packages=
need() { # need WHAT PACKAGE COMMAND...: notes WHAT and PACKAGE when COMMAND fails
    what=$1 package=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    missing="$missing $what"
    case "$packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
}

look() {
    missing= packages=
    need cc build-essential command -v cc
    need make build-essential command -v make
    need perl perl command -v perl
    need java default-jre-headless has_java
    need mvn maven command -v mvn
    need prometheus prometheus command -v prometheus
    need promtool prometheus command -v promtool
}

look
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "prepare: installing$packages" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of packages
    apt-get update -q >&2 && apt-get install -q -y --no-install-recommends $packages >&2 || true
    look
fi

if [ -n "$missing" ]; then
    echo "prepare: missing:$missing (on Debian: apt-get install$packages)" >&2
    exit 1
fi
