// The first process of a guest with a stock kernel: loads what it needs to mount the host's files, makes them the root, and
// goes on with the program that the variable GUEST_INIT names. Static, because there is nothing else in its initramfs.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int failed, const char *what) {
  if (!failed) return;
  perror(what);
  exit(1); // The kernel panics, and its console tells.
}

static void load(const char *file) {
  int module = open(file, O_RDONLY | O_CLOEXEC);
  must(module < 0 || syscall(SYS_finit_module, module, "", 0) != 0, file);
  close(module);
}

int main(void) {
  FILE *names = fopen("/modules", "re");
  must(names == NULL, "/modules");
  for (char name[256]; fgets(name, sizeof name, names) != NULL;) {
    name[strcspn(name, "\n")] = '\0';
    load(name);
  }
  must(mkdir("/host", 0755) != 0, "/host");
  must(mount("host", "/host", "virtiofs", MS_RDONLY, NULL) != 0, "the host's files");
  must(chdir("/host") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0, "moving the root");
  must(chroot(".") != 0 || chdir("/") != 0, "the root");
  char *program = getenv("GUEST_INIT");
  must(program == NULL, "GUEST_INIT");
  execl(program, program, (char *)NULL);
  must(1, program);
}
