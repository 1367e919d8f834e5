/* Writes one source of the tree that pmake makes: gen SOURCE NUMBER FUNCTIONS SEED.
 *
 * Stands for the programs that write programs (yacc, lex) in a tree that is made: text from a little
 * data, most of the time in the C library, into a file that another process reads next.
 */
#include "vmm-core/guest/programs/source-tree.h"

PROGRAM_ABOUT("gen: writes a source: SOURCE NUMBER FUNCTIONS SEED (run by pmake)");

int main(int argc, char **argv)
{
    if (argc != 5) {
        printf("%s\n", program_about);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    uint32_t file = (uint32_t)atoi(argv[2]);
    struct tree tree = {.functions = (uint32_t)atoi(argv[3]), .seed = (uint32_t)atoi(argv[4])};
    struct tree_text text = {0};
    tree_write(&text, "#include \"tree.h\"\n");
    for (uint32_t i = 0; i < tree.functions; i++)
        tree_function(&tree, &text, file * tree.functions + i, 0, 0);
    tree_save(&text, argv[1]);
    free(text.bytes);
    return 0;
}
