DROP TABLE IF EXISTS schedules_fires;
DROP TABLE IF EXISTS schedules;
