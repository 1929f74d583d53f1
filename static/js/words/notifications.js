/** Targets, and what they are told of, in words. */
import { known, t } from "./words.js";

/** How a target is told, in the order in which the page offers it. */
export const TYPES = ["webhook", "apprise"];

/** @param {string} type of a target @returns {string} */
export const typeLabel = (type) => known(`targets.type.${type}`, type);

/** What a target may be told of, in the order in which the page offers it. */
export const OCCASIONS = ["failed", "recovered", "succeeded", "late", "long"];

/** @param {string} occasion @returns {string} such as "failed" */
export const occasionLabel = (occasion) => known(`occasion.${occasion}`, occasion);

const STATES = ["given_up", "waiting", "delivered"];

/**
 * @param {import("../model/types.js").Notification[]} notifications
 * @returns {string} such as "Notifications: 1 given up, 2 delivered"
 */
export function howMany(notifications) {
  const counts = STATES.map((state) => [state, notifications.filter((each) => each.state === state).length]);
  const told = counts.filter(([, count]) => count > 0).map(([state, count]) => t(`told.count.${state}`, { count }));
  return t("told.title", { told: told.join(", ") });
}
