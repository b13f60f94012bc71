#!/bin/sh
# Addresses of the stack according to docker compose: only running services are listed.
set -eu

line() { # service, port inside, text, path
  if address=$(docker compose port "$1" "$2" 2>/dev/null) && [ -n "$address" ]; then
    case $1 in
      kafka) printf '  %-12s %s\n' "$3" "localhost:${address##*:}" ;;
      *) printf '  %-12s http://localhost:%s%s\n' "$3" "${address##*:}" "$4" ;;
    esac
  fi
}

echo
line api 8080 "score claims" /fraud-detection
line prometheus 9090 graphs "/graph?g0.expr=fraud_scorer%3Aclaims_consumed%3Arate1m&g0.tab=0"
line prometheus 9090 alerts /alerts
line grafana 3000 dashboards /
line kafka 19092 Kafka ""
echo
echo "Claims start to flow with: make claims"
