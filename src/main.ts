process.stdout.write('dovesnap/ovs\n')
