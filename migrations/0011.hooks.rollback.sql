DROP TABLE IF EXISTS commands_hooks_bodies;
DROP TABLE IF EXISTS commands_hooks;
