# What is installed for others: the headers of the client library and of plugins, and the interfaces.
pkginclude_HEADERS += %reldir%/passkey.h %reldir%/plugin.h
dist_varlink_DATA += \
	%reldir%/org.countersign.varlink \
	%reldir%/org.countersign.Accounts.varlink \
	%reldir%/org.countersign.Admin.varlink \
	%reldir%/org.countersign.Allowances.varlink \
	%reldir%/org.countersign.Events.varlink \
	%reldir%/org.countersign.Factors.varlink \
	%reldir%/org.countersign.Host.varlink \
	%reldir%/org.countersign.Internal.varlink \
	%reldir%/org.countersign.Limits.varlink \
	%reldir%/org.countersign.Links.varlink \
	%reldir%/org.countersign.Lookup.varlink \
	%reldir%/org.countersign.Payments.varlink \
	%reldir%/org.countersign.Plugin.varlink \
	%reldir%/org.countersign.Receiver.varlink \
	%reldir%/org.countersign.Sessions.varlink \
	%reldir%/org.countersign.StepUp.varlink \
	%reldir%/org.countersign.Worker.varlink
pkginclude_HEADERS += %reldir%/client.h
