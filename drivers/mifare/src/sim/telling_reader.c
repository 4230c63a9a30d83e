/*
 * A reader that tells pcscd at once of cards laid on and lifted, as those with an interrupt endpoint
 * do. Everything else is vpcd's, behind one lock: pcscd waits on a thread of its own for what this
 * tells, and vpcd has one conversation with its card.
 *
 *   cc -shared -fPIC -I/usr/include/PCSC -DVPCD='"/usr/lib/.../libifdvpcd.so"' -o ... telling_reader.c
 */
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#include <ifdhandler.h>

enum { SLOTS = 2, LOOK_EVERY_MS = 10, LONGEST_WAIT_MS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static RESPONSECODE told[SLOTS];

/* What vpcd calls this function. */
static void *vpcd(const char *name)
{
    static void *library;
    if (!library)
        library = dlopen(VPCD, RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

#define PASS_ON(name, types, values)                                  \
    RESPONSECODE name types                                           \
    {                                                                 \
        pthread_mutex_lock(&lock);                                    \
        RESPONSECODE (*function) types = vpcd(#name);                 \
        RESPONSECODE outcome = function ? function values : IFD_NO_SUCH_DEVICE; \
        pthread_mutex_unlock(&lock);                                  \
        return outcome;                                               \
    }

PASS_ON(IFDHCreateChannelByName, (DWORD lun, LPSTR device), (lun, device))
PASS_ON(IFDHCreateChannel, (DWORD lun, DWORD channel), (lun, channel))
PASS_ON(IFDHCloseChannel, (DWORD lun), (lun))
PASS_ON(IFDHSetCapabilities, (DWORD lun, DWORD tag, DWORD length, PUCHAR value), (lun, tag, length, value))
PASS_ON(IFDHSetProtocolParameters,
        (DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3),
        (lun, protocol, flags, pts1, pts2, pts3))
PASS_ON(IFDHPowerICC, (DWORD lun, DWORD action, PUCHAR atr, PDWORD length), (lun, action, atr, length))
PASS_ON(IFDHTransmitToICC,
        (DWORD lun, SCARD_IO_HEADER send, PUCHAR command, DWORD command_length, PUCHAR answer,
         PDWORD answer_length, PSCARD_IO_HEADER receive),
        (lun, send, command, command_length, answer, answer_length, receive))
PASS_ON(IFDHControl,
        (DWORD lun, DWORD code, PUCHAR command, DWORD command_length, PUCHAR answer, DWORD room,
         LPDWORD answer_length),
        (lun, code, command, command_length, answer, room, answer_length))
PASS_ON(IFDHICCPresence, (DWORD lun), (lun))

/* Waits until the presence of a card differs from what was told last. pcscd asks for ten minutes, and would
 * end no sooner; so it is called back to look each second, which is no time-out: behind one it sleeps for
 * 400 ms before it waits again. */
static RESPONSECODE wait_for_change(DWORD lun, int timeout)
{
    const struct timespec pause = {0, LOOK_EVERY_MS * 1000000L};
    const DWORD slot = lun & 0xFFFF;
    RESPONSECODE in_vain = IFD_RESPONSE_TIMEOUT;
    if (slot >= SLOTS)
        return IFD_NO_SUCH_DEVICE;
    if (timeout < 0 || timeout > LONGEST_WAIT_MS) {
        timeout = LONGEST_WAIT_MS;
        in_vain = IFD_SUCCESS;
    }
    for (int waited = 0; waited < timeout; waited += LOOK_EVERY_MS) {
        RESPONSECODE here = IFDHICCPresence(lun);
        if (here != told[slot]) {
            told[slot] = here;
            return IFD_SUCCESS;
        }
        nanosleep(&pause, NULL);
    }
    return in_vain;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
    if (tag == TAG_IFD_POLLING_THREAD_WITH_TIMEOUT) {
        if (!value || *length < sizeof(void *))
            return IFD_ERROR_INSUFFICIENT_BUFFER;
        *(RESPONSECODE(**)(DWORD, int))value = wait_for_change;
        *length = sizeof(void *);
        return IFD_SUCCESS;
    }
    pthread_mutex_lock(&lock);
    RESPONSECODE (*function)(DWORD, DWORD, PDWORD, PUCHAR) = vpcd("IFDHGetCapabilities");
    RESPONSECODE code = function ? function(lun, tag, length, value) : IFD_ERROR_TAG;
    pthread_mutex_unlock(&lock);
    return code;
}
