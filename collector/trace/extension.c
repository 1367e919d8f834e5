#include "collector/trace/extension.h"

#include "collector/trace/extension-source.h"

#include <stdlib.h>

/* SQLite's way to its functions for loaded extensions, set at every init to the same table; the
 * one global variable of the project, and not by its choice. */
const sqlite3_api_routines *sqlite3_api = NULL; /* what SQLITE_EXTENSION_INIT1 is */

/* The oldest SQLite with sqlite3_vtab_in (https://sqlite.org/changes.html, 3.38.0). */
#define OLDEST_SQLITE 3038000

static void blocks_read(sqlite3_context *context, int arguments, sqlite3_value **argument)
{
    (void)arguments;
    (void)argument;
    const struct connection *connection = sqlite3_user_data(context);
    sqlite3_result_int64(context, (sqlite3_int64)connection->blocks_read);
}

int sqlite3_disco_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    if (sqlite3_libversion_number() < OLDEST_SQLITE) {
        *error =
            sqlite3_mprintf("disco needs SQLite 3.38 or newer, this is %s", sqlite3_libversion());
        return SQLITE_ERROR;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return SQLITE_NOMEM;
    connection->db = db;
    static const struct {
        const char *name;
        const sqlite3_module *module;
    } table[] = {{"refs", &refs_module}, {"events", &events_module}, {"heat", &heat_module}};
    /* each registration is a user, and releases the connection also when it fails */
    connection->users = 1 + 1 + sizeof table / sizeof *table;
    int rc = sqlite3_create_function_v2(db, "disco_blocks_read", 0, SQLITE_UTF8, connection,
                                        blocks_read, NULL, NULL, connection_release);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int made = sqlite3_create_module_v2(db, table[i].name, table[i].module, connection,
                                            connection_release);
        rc = rc == SQLITE_OK ? made : rc;
    }
    connection_release(connection);
    return rc;
}
