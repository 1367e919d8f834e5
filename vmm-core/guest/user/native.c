/* Linux in the kernel's place, so that programs can be tried and judged natively: threads are
 * pthreads, files are files of the present folder, programs are those beside this one. Only for
 * tests: what it cannot do ends the program with a message.
 */
#include "vmm-core/guest/user/disco.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct native_thread {
    pthread_t thread;
    void (*start)(void *argument);
    void *argument;
    bool used;
};

/* a stand-in has the process for itself */
static struct native_thread threads[DISCO_THREADS_MAX] = {{.used = true}};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread int self;

int disco_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus > DISCO_THREADS_MAX ? DISCO_THREADS_MAX : (int)cpus;
}

int disco_cpu(void)
{
    return sched_getcpu();
}

int disco_self(void)
{
    return self;
}

static void *run(void *argument)
{
    struct native_thread *thread = argument;

    self = (int)(thread - threads);
    thread->start(thread->argument);
    return NULL;
}

int disco_spawn(void (*start)(void *argument), void *argument)
{
    int number = 0;

    pthread_mutex_lock(&mutex);
    while (number < DISCO_THREADS_MAX && threads[number].used)
        number++;
    if (number < DISCO_THREADS_MAX) {
        struct native_thread *thread = &threads[number];

        thread->start = start;
        thread->argument = argument;
        thread->used = pthread_create(&thread->thread, NULL, run, thread) == 0;
        if (!thread->used)
            number = DISCO_THREADS_MAX;
    }
    pthread_mutex_unlock(&mutex);
    return number < DISCO_THREADS_MAX ? number : -1;
}

void disco_join(int thread)
{
    pthread_join(threads[thread].thread, NULL);
    pthread_mutex_lock(&mutex);
    threads[thread].used = false;
    pthread_mutex_unlock(&mutex);
}

void disco_yield(void)
{
    sched_yield();
}

void disco_exit(int status)
{
    exit(status);
}

void disco_sleep_on(uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void disco_wake(uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void *disco_alloc(size_t bytes, const char *name)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        printf("no room for %zu bytes of %s\n", bytes, name);
        exit(1);
    }
    return memory;
}

void *disco_shared(size_t bytes)
{
    return disco_alloc(bytes, "shared");
}

int disco_fork(void)
{
    fflush(stdout);
    return fork();
}

int disco_exec(const char *file, char *const argv[])
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    fflush(stdout);
    if (length < 0)
        return -1;
    path[length] = 0;
    slash = strrchr(path, '/');
    if ((size_t)(slash - path) + strlen(file) + 2 > sizeof(path))
        return -1;
    strcpy(slash + 1, file);
    return execv(path, argv);
}

int disco_wait(int *status)
{
    int here;
    pid_t process = wait(&here);

    if (process < 0)
        return -1;
    if (status)
        *status = WIFEXITED(here) ? WEXITSTATUS(here) : -1;
    return process;
}

int disco_process(void)
{
    return getpid();
}

int disco_open(const char *name)
{
    return open(name, O_RDONLY | O_CLOEXEC);
}

int disco_create(const char *name)
{
    return open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

int disco_read(int file, void *bytes, size_t count)
{
    return (int)read(file, bytes, count);
}

int disco_write(int file, const void *bytes, size_t count)
{
    return (int)write(file, bytes, count);
}

int disco_size(int file)
{
    struct stat about;

    return fstat(file, &about) ? -1 : (int)about.st_size;
}

int disco_close(int file)
{
    return close(file);
}

int disco_unlink(const char *name)
{
    return unlink(name);
}

uint64_t disco_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void disco_mark(int number)
{
    (void)number;
}
