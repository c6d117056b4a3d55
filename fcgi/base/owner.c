#include "fcgi/base/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

int
owner_become(const char *dir)
{
	struct stat info;
	if (geteuid() != 0 || stat(dir, &info) != 0 || info.st_uid == 0)
		return 0;
	errno = 0;
	const struct passwd *user = getpwuid(info.st_uid);
	if (user == NULL) {
		errno = errno != 0 ? errno : ENOENT;
		return -1;
	}
	if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0)
		return -1;
	return setuid(user->pw_uid);
}
