"""Scripts as people have them, for pictures of the page."""

DEPLOY = r"""
step() { printf '\n\033[1;34m==>\033[0m \033[1m%s\033[0m\n' "$1"; }
ok() { printf '    \033[32m✓\033[0m %-34s \033[2m%s\033[0m\n' "$1" "$2"; }
repeat() { printf "%$1s" '' | sed "s/ /$2/g"; }
bar() {
  filled=$(($1 * 32 / 100))
  printf '\r\033[K    \033[36m%s\033[0m\033[2m%s\033[0m %3d%%  \033[2m%s of 1,240,800 rows\033[0m' \
    "$(repeat $filled █)" "$(repeat $((32 - filled)) ░)" "$1" "$2"
}
printf '\033[1mDeploying shop-api 4.2.0\033[0m to \033[35mproduction\033[0m'
printf ' at \033[33m9f31c07\033[0m\n'
step Checks
ok 'image shop-api:4.2.0 is signed' 'sha256:5b0c…e1d4'
ok 'backup is 12 minutes old' '38.4 GB'
ok 'replica lag' '0.3 s'
step Migrations
ok '0041_add_shipping_zone' '12 ms'
ok '0042_index_orders_by_customer' '318 ms, concurrently'
ok '0043_split_address' '40 ms'
printf '    \033[33m! orders.legacy_id is still read by reports-worker 2.9\033[0m\n'
step 'Rolling out'
ok 'web-1' 'healthy after 210 ms'
ok 'web-2' 'healthy after 190 ms'
ok 'web-3' 'healthy after 230 ms'
printf '    \033[31m✗\033[0m web-4 \033[31mdid not answer\033[0m, \033[1mretrying\033[0m\n'
ok 'web-4' 'healthy after 640 ms'
step 'Backfilling orders.zone_id'
bar 4 49,632; bar 23 285,384; bar 61 756,888
"""

CHECKOUT = r"""
now() { date -u +'%FT%H:%M:%S'; }
say() { echo "$(now)Z $1"; sleep 0.0$((RANDOM % 9)); }
ok() { for test; do say "ok   $test"; done; }
ok cart-is-kept coupon-once currency-of-country guest-checkout invoice-number
ok shipping-to-islands
if [ -e BROKEN ]; then
  say "FAIL tax-of-gift-cards: expected 0.00, got 1.90"
  say "     at tests/checkout/tax.test.js:88"
else
  ok tax-of-gift-cards
fi
ok tax-of-refunds wallet-declined wallet-retried
[ ! -e BROKEN ] || sleep 1.2
[ ! -e BROKEN ] || exit 1
"""

BACKUP = r"""
echo 'Dumping orders to /backup/orders-2026-11-23.dump'
printf '\033[2m%s\033[0m\n' 'pg_dump: reading schemas' 'pg_dump: dumping public.orders'
printf '\033[31mpg_dump: error:\033[0m %s\n' 'could not write: No space left on device' >&2
exit 1
"""
