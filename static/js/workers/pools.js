/** The pools: who serves each, what waits in it, and what of that waits in vain. */
import { toRuns } from "../base/router.js";
import { html } from "../base/ui.js";
import { ofPool } from "../model/workers.js";
import { Ago } from "../parts/time.js";
import { phrase, t } from "../words/words.js";
import { whyInVain } from "../words/workers.js";

/**
 * @typedef {import("../model/types.js").Pool} Pool
 * @typedef {import("../model/types.js").Worker} Worker
 */

/** @param {{pools: Pool[], workers: Worker[]}} props */
export const Pools = ({ pools, workers }) => html`<section class="section workers-part" aria-labelledby="pools">
  <h2 id="pools">${t("workers.pools")}</h2>
  <ul class="rows">
    ${pools.map((pool) => html`<${PoolRow} key=${pool.name} pool=${pool} workers=${ofPool(workers, pool.name)} />`)}
  </ul>
</section>`;

function PoolRow({ pool, workers }) {
  const ready = workers.filter(({ state }) => state === "active").length;
  return html`<li class="row pool-row">
    <bdi class="pool-row__name mono">${pool.name}</bdi>
    <span class="pool-row__workers">${t("workers.ready", { count: workers.length, ready })}</span>
    <span class="pool-row__waiting">
      ${pool.waiting === 0
        ? html`<span class="muted">${t("workers.nothing-waits")}</span>`
        : html`<a href=${"#" + toRuns({ state: "queued", pool: pool.name })}>
            ${t("workers.waiting", { count: pool.waiting })}</a><span class="muted">${phrase("workers.oldest", { ago: html`<${Ago} at=${pool.oldest_at} />` })}</span>`}
    </span>
    ${pool.in_vain.length > 0 &&
    html`<ul class="pool-row__vain">
      ${pool.in_vain.map((one) => html`<li key=${one.requires.join()}>${whyInVain(one)}</li>`)}
    </ul>`}
  </li>`;
}
