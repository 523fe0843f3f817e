/* How vhost-user messages go through a Unix socket, with descriptors. */
#define _GNU_SOURCE
#include "message.h"

#include <string.h>
#include <sys/socket.h>

void send_message(int socket, struct message *message, int fd)
{
	struct iovec bytes = { message, HEADER_LENGTH + message->length };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(int));
	}
	if (sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
		die("sendmsg");
}

bool receive(int socket, struct message *message, int *fds, int *fd_count)
{
	struct iovec bytes = { message, HEADER_LENGTH };
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	*fd_count = 0;
	if (recvmsg(socket, &header, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)HEADER_LENGTH || message->length > sizeof(message->bytes))
		return false;
	for (struct cmsghdr *rights = CMSG_FIRSTHDR(&header); rights; rights = CMSG_NXTHDR(&header, rights)) {
		*fd_count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(rights), (size_t)*fd_count * sizeof(int));
	}
	return message->length == 0 || recv(socket, message->bytes, message->length, MSG_WAITALL) == (ssize_t)message->length;
}
