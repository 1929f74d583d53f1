"""Promises of schedules, broken on purpose."""

from tests.torture.mutant import Mutant

SHORT = "tests/torture/test_short.py"

OF_SCHEDULES = (
    Mutant(
        "a due time is decided in a transaction of its own before its run is stored",
        "server/repositories/fires.py",
        '        [row] = await self._database.fetch_all(f"{lock}; {sql}", parameters)\n'
        "        return _decided(row)\n",
        "        import asyncio\n"
        "        from server.repositories.rows import RUN_COLUMNS\n"
        "        from server.repositories.run_statements import insert_run\n"
        '        decided = sql.replace("FROM f, o WHERE o.starts", "FROM f, o WHERE false")\n'
        '        [row] = await self._database.fetch_all(f"{lock}; {decided}", parameters)\n'
        '        if row[0] and parameters["starts"]:\n'
        "            await asyncio.sleep(0.2)\n"
        "            run = insert_run('(SELECT) one')\n"
        '            run = f"WITH r AS ({run}) SELECT true, {RUN_COLUMNS} FROM r"\n'
        "            [row] = await self._database.fetch_all(run, parameters)\n"
        "        return _decided(row)\n",
        (SHORT,),
    ),
)
